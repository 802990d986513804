// Calls through this package and through the usual HTTP clients of Node. All do the same: `GET /v1/sessions/{id}` of one server,
// decoded.

import { Agent, get } from 'node:http';

import { Theazo } from 'theazo';

import { type Call, compare, median, pairs, rate, report, TURNS } from './measure.js';
import type { Server } from './server.js';

/** Measures calls over HTTP. */
export async function calls(server: Server): Promise<void> {
  const theazo = new Theazo({ apiKey: server.key, baseUrl: server.url });
  const session = (await theazo.sessions.forUser('bench')).id;
  const address = `${server.url}/v1/sessions/${session}`;
  const headers = { authorization: `Bearer ${server.key}` };
  const agent = new Agent({ keepAlive: true });

  const ours: Call = async () => (await theazo.sessions.get(session)).createdAt;
  const byFetch: Call = async () => {
    const response = await fetch(address, { headers });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (JSON.parse(await response.text()) as { createdAt: string }).createdAt;
  };
  const byHttp: Call = () =>
    new Promise((resolve, reject) => {
      get(address, { headers, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => {
          text += piece;
        });
        response.on('end', () => resolve(JSON.parse(text).createdAt));
        response.on('error', reject);
      }).on('error', reject);
    });

  const many = await pairs(ours, byFetch, 64);
  compare('calls/s at 64 in flight, over fetch', many, 'perSecond', 5, 'higher');
  compare('CPU of a call at 64 in flight, over fetch', many, 'cpu', 0.3, 'lower');
  compare('calls/s at 64 in flight, over node:http', await pairs(ours, byHttp, 64), 'perSecond', 2, 'higher');
  compare('time of a call at 1 in flight, over fetch', await pairs(ours, byFetch, 1), 'median', 0.7, 'lower');
  await theazo.close();
  agent.destroy();
}

/** Measures calls of a control plane in this process, without a socket. */
export async function embedded(): Promise<void> {
  const theazo = await Theazo.embedded();
  const { id } = await theazo.sessions.forUser('bench');
  const call: Call = () => theazo.sessions.get(id);
  await rate(call, 1);
  const medians: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) medians.push((await rate(call, 1)).median);
  report('embedded call, µs at the median', median(medians), 120, 'lower', `median of ${TURNS} turns`);
  await theazo.close();
}
