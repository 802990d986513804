// What a client holds: its native client, and the control plane that it started, if it did.

import type { CallReport } from './answer.js';
import { misconfigured, toTheazoError } from './errors.js';
import type { DurationInput } from './generated/types.js';
import { encode } from './input.js';
import { type NativeClient, type NativePlane, planePart } from './native.js';

/** Where the API is unless the client is told otherwise. */
export const PUBLIC_API = 'https://api.theazo.com';

/** What a connection is besides its client. */
interface ConnectionOptions {
  /** The control plane inside this process that it is to. */
  plane?: NativePlane | Promise<NativePlane>;
  /** The address of the API. */
  baseUrl?: string;
  /** Told of every call when it is over. */
  onCall?: ((report: CallReport) => void) | undefined;
}

/** A native client that is there, or will be as soon as its control plane has started. */
export class Connection {
  #client: NativeClient | undefined;
  readonly #starting: Promise<NativeClient> | undefined;
  readonly #plane: NativePlane | Promise<NativePlane> | undefined;
  /** Told of every call when it is over. */
  readonly onCall: ((report: CallReport) => void) | undefined;
  /** The address of the API; none for a control plane inside this process. */
  readonly baseUrl: string | undefined;
  #isClosed = false;

  constructor(client: NativeClient | Promise<NativeClient>, { plane, baseUrl, onCall }: ConnectionOptions = {}) {
    this.onCall = onCall;
    if (baseUrl !== undefined) this.baseUrl = baseUrl.trim().replace(/\/+$/, '');
    if (client instanceof Promise) {
      this.#starting = client;
      // Whoever calls is told why it did not start; if nobody calls, nobody needs to know.
      client.catch(() => {});
    } else {
      this.#client = client;
    }
    this.#plane = plane;
  }

  /** The native client if it is there. */
  get ready(): NativeClient | undefined {
    this.assertOpen('the client is closed');
    return this.#client;
  }

  /** Throws what a user reads if the connection was closed. */
  assertOpen(message: string): void {
    if (this.#isClosed) throw misconfigured(message);
  }

  /** Waits until the native client is there. */
  async started(): Promise<NativeClient> {
    this.#client ??= (await this.#starting) as NativeClient;
    return this.#client;
  }

  /** Ends the control plane, if this connection has one; no calls can be made after that. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      const client = await this.started();
      client.close();
      await (await this.#plane)?.shutdown();
    } catch (error) {
      throw toTheazoError(error);
    }
  }
}

/** How a control plane inside this process is set up. */
export interface PlaneOptions {
  dataDir?: string | undefined;
  defaultProvider?: string | undefined;
  offlinePace?: DurationInput | undefined;
  test?: boolean | undefined;
}

/** Starts a control plane inside this process. */
export async function startPlane(options: PlaneOptions): Promise<NativePlane> {
  const { NativePlane } = planePart();
  try {
    return await NativePlane.start(encode(options) as string);
  } catch (error) {
    throw toTheazoError(error);
  }
}
