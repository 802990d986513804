// The client: where everything starts.

import type { CallReport } from './answer.js';
import { Caller } from './caller.js';
import { Connection, PUBLIC_API, startPlane } from './connection.js';
import { thrown } from './errors.js';
import { TheazoOperations } from './generated/surface.js';
import type { ComputeProviderConfig, ComputeProviders, DurationInput, ModelProviderConfig } from './generated/types.js';
import { checkOptions, encode, invalid } from './input.js';
import { clientPart, type NativeConfig, planePart, variable } from './native.js';
import { Recorder, Replayer } from './recording.js';

/** How a client is set up. What is left out comes from the environment, then from the defaults. */
export interface TheazoOptions {
  /** The API key; `THEAZO_API_KEY`. */
  apiKey?: string | undefined;
  /**
   * Where the API is; `THEAZO_BASE_URL`, then the public API. `local` is a control plane inside this process, which starts
   * at once and is waited for by the first call.
   */
  baseUrl?: string | undefined;
  /** How long one attempt of a plain request may take; `THEAZO_TIMEOUT`, then 30 s. Runs and streams are not bound by it. */
  timeout?: DurationInput | undefined;
  /** How often a call is tried again after a failure that may pass; `THEAZO_MAX_RETRIES`, then 2. */
  maxRetries?: number | undefined;
  /** Headers that every request carries. */
  headers?: Record<string, string> | undefined;
  /**
   * Your own compute providers (bring your own), one or several. They are sealed into each session that this client creates,
   * are sent with no other call, and are never shown.
   */
  compute?: ComputeProviderConfig | ComputeProviders | undefined;
  /** Your own model provider (bring your own), sealed into each session in the same way. */
  models?: ModelProviderConfig | undefined;
  /**
   * Told of every call when it is over: its operation, what is known of the answer, or why it failed. For logs and metrics of your
   * own; `THEAZO_LOG` (`error`, `info`, `debug`, `trace`) writes to standard error without it. It must not throw.
   */
  onCall?: ((report: CallReport) => void) | undefined;
  /** Records every request and its answer, to be played back later; see `theazo/testing`. */
  record?: Recorder | undefined;
  /** Answers every request from a recording; no connection is made, and any API key will do. */
  replay?: Replayer | undefined;
}

/** How an embedded control plane and the client of it are set up. */
export interface EmbeddedOptions extends Omit<TheazoOptions, 'apiKey' | 'baseUrl' | 'replay'> {
  /** Where it keeps its data; without it everything is in memory and gone at the end. */
  dataDir?: string | undefined;
  /** The provider of sandboxes where none is asked for; `local` by default. */
  defaultProvider?: string | undefined;
  /** How long the offline model waits before each word; not at all by default. */
  offlinePace?: DurationInput | undefined;
}

const CLIENT_OPTIONS = ['timeout', 'maxRetries', 'headers', 'compute', 'models', 'onCall', 'record'];
const SERVER_OPTIONS = ['apiKey', 'baseUrl', ...CLIENT_OPTIONS, 'replay'];
const EMBEDDED_OPTIONS = ['dataDir', 'defaultProvider', 'offlinePace', ...CLIENT_OPTIONS];

/**
 * The client.
 *
 * ```ts
 * const theazo = new Theazo({ apiKey: 'th_live_...' });
 * const session = await theazo.sessions.forUser('user_123');
 * const result = await session.run('researcher', 'analyze competitor pricing');
 * console.log(result.output, result.cost.amount);
 * ```
 */
export class Theazo extends TheazoOperations {
  readonly #connection: Connection;

  /** A client of the server that the options and the environment name. */
  constructor(options: TheazoOptions = {}) {
    const connection = options instanceof Connection ? options : connect(options);
    super(new Caller(connection));
    this.#connection = connection;
  }

  /** Starts a whole control plane inside this process and makes a client of it. It needs no key and no network. */
  static async embedded(options: EmbeddedOptions = {}): Promise<Theazo> {
    checkOptions(options, EMBEDDED_OPTIONS);
    const { dataDir, defaultProvider, offlinePace, ...client } = options;
    const config = configOf(client);
    const plane = await startPlane({ dataDir, defaultProvider, offlinePace });
    return Theazo.over(
      new Connection(
        thrown(() => plane.client(...config)),
        { plane, onCall: client.onCall },
      ),
    );
  }

  /**
   * A client of the server that `THEAZO_BASE_URL` and `THEAZO_API_KEY` name, or of a new embedded control plane if neither
   * is set.
   */
  static async connect(): Promise<Theazo> {
    const isNamed = ['THEAZO_BASE_URL', 'THEAZO_API_KEY'].some((name) => variable(name)?.trim());
    return isNamed ? new Theazo() : await Theazo.embedded();
  }

  /** @internal */
  static over(connection: Connection): Theazo {
    // Not an option that users have, so the constructor's type does not say it.
    return new Theazo(connection as TheazoOptions);
  }

  /** Lets go of the connections, and ends the embedded control plane if this is a client of one that it started. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function connect(options: TheazoOptions): Connection {
  const config = configOf(options);
  const baseUrl: unknown = options.baseUrl ?? variable('THEAZO_BASE_URL');
  // One that is not text is for the native part to name.
  if (typeof baseUrl !== 'string' || baseUrl.trim() !== 'local') {
    // What records and plays back is in the part with the control plane, and works with clients of that part alone.
    const part = config[1] || config[2] ? planePart() : clientPart();
    const made = thrown(() => new part.NativeClient(...config));
    const address = baseUrl === undefined || baseUrl === '' ? PUBLIC_API : String(baseUrl);
    return new Connection(made, { baseUrl: address, onCall: options.onCall });
  }
  const { baseUrl: _, ...client } = options;
  const clientConfig = configOf(client);
  const plane = startPlane({});
  return new Connection(
    plane.then((plane) => plane.client(...clientConfig)),
    { plane, onCall: options.onCall },
  );
}

/** The options of a client as the native part takes them. @internal */
export function configOf(options: TheazoOptions): NativeConfig {
  checkOptions(options, SERVER_OPTIONS);
  const { record, replay, onCall, ...plain } = options;
  if (onCall !== undefined && typeof onCall !== 'function') throw invalid('onCall', 'must be a function');
  if (typeof plain.headers === 'string') throw invalid('headers', 'must be an object of text by name, not text');
  if (record !== undefined && !(record instanceof Recorder)) throw invalid('record', 'must be a `Recorder`');
  if (replay !== undefined && !(replay instanceof Replayer)) throw invalid('replay', 'must be a `Replayer`');
  if (record && replay)
    throw invalid('replay', 'cannot be given beside `record`: one answers what the other would record');
  const compute = computeOf(plain.compute);
  return [encode(compute === undefined ? plain : { ...plain, compute }) as string, record?.native, replay?.native];
}

/** The compute providers in the one form that goes to the server; what is wrong with them shows before anything is sent. */
function computeOf(given: TheazoOptions['compute']): ComputeProviders | undefined {
  if (given === undefined) return undefined;
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (!isObject) throw invalid('compute', 'must be a provider with its credentials, or `providers`');
  const providers = 'providers' in given ? given.providers : [given];
  if (!Array.isArray(providers) || providers.length === 0) {
    throw invalid('compute.providers', 'must have at least one provider');
  }
  for (const [index, one] of providers.entries()) {
    const provider: unknown = one?.provider;
    if (typeof provider !== 'string' || provider.trim() === '') {
      throw invalid(`compute.providers.${index}.provider`, 'must be the name of a provider');
    }
  }
  return { providers };
}
