// What edge runtimes and browsers have.

import { misconfigured } from '../errors.js';
import type { Platform } from '../native.js';
import { FetchClient } from './client.js';

/** A place that has `fetch` and nothing else: an edge runtime, or a browser. */
export const anywhere: Platform = {
  clientPart: () => ({ NativeClient: FetchClient }),
  planePart() {
    throw misconfigured(
      'there is no control plane here: this is the part of theazo for edge runtimes and browsers',
      'use a server, by `baseUrl` and `apiKey`; `Theazo.embedded()`, `theazo/testing` and recordings need Node',
    );
  },
  variable: (name) => (globalThis as { process?: { env?: Record<string, string> } }).process?.env?.[name],
};
