// Recordings: what a client and a control plane said to each other, played back without the control plane.

import { thrown } from './errors.js';
import { checkOptions, invalid } from './input.js';
import { type NativeRecorder, type NativeReplayer, planePart } from './native.js';

/**
 * Records what clients and their control planes say to each other, to a file with one line of JSON for each request. It holds
 * no key and no secret that was sent.
 *
 * ```ts
 * const recorder = new Recorder('calls.jsonl');
 * const theazo = plane.client({ record: recorder });
 * ```
 *
 * The answer of a call is written when it has come whole; that of a stream, when it ends or is left.
 */
export class Recorder {
  /** @internal */
  readonly native: NativeRecorder;

  /** Records to a file, which is made anew. */
  constructor(path: string) {
    if (typeof path !== 'string') throw invalid('path', 'must be text');
    this.native = thrown(() => new (planePart().NativeRecorder)(path));
  }
}

/** How a recording is played back. */
export interface ReplayOptions {
  /**
   * Which recorded answer belongs to a request. `strict`, the default: that of the same request, each given once, in the order
   * of the recording. `lenient`: if there is none, that of another request with the same method and path.
   */
  matching?: 'strict' | 'lenient' | undefined;
  /** Whether the pieces of an answer come as slowly as they did; by default they come at once. */
  atRecordedPace?: boolean | undefined;
}

/**
 * Answers requests from a recording; no connection is made, and any API key will do.
 *
 * ```ts
 * const replayer = new Replayer('calls.jsonl');
 * const theazo = new Theazo({ apiKey: 'th_test_any', replay: replayer });
 * ```
 */
export class Replayer {
  /** @internal */
  readonly native: NativeReplayer;

  /** Reads a recording. */
  constructor(path: string, options: ReplayOptions = {}) {
    if (typeof path !== 'string') throw invalid('path', 'must be text');
    checkOptions(options, ['matching', 'atRecordedPace']);
    const { matching = 'strict', atRecordedPace = false } = options;
    if (matching !== 'strict' && matching !== 'lenient') throw invalid('matching', 'must be `strict` or `lenient`');
    this.native = thrown(() => new (planePart().NativeReplayer)(path, matching === 'lenient', atRecordedPace));
  }

  /** How many recorded requests nobody made yet. */
  get unused(): number {
    return this.native.unused;
  }
}
