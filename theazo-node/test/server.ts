// A small HTTP server that answers as a test says and remembers what it was sent.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Sent {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Server {
  url: string;
  sent: Sent[];
}

export type Answer = (sent: Sent, response: ServerResponse) => void;

/** Starts a server that ends with the test. */
export async function serve(test: TestContext, answer: Answer): Promise<Server> {
  const sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    sent.push(one);
    answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent };
}

/** Answers with JSON. */
export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A session as a server that leaves out what has a default sends it. */
export const SESSION = {
  id: 'ses_1',
  status: 'active',
  environment: 'production',
  createdAt: '2026-11-24T09:00:00.000Z',
};

/** An agent, in the same way. */
export const AGENT = {
  id: 'agt_1',
  sessionId: 'ses_1',
  status: 'ready',
  provider: 'local',
  compute: 'python',
  model: 'offline',
  createdAt: '2026-11-24T09:00:00.000Z',
};

/** A promise that a test resolves. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
