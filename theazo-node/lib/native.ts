// Finds and loads the native part, and says what it offers.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The native client. Values cross as JSON text; a failed call is rejected with `theazo::Error` as JSON. @internal */
export interface NativeClient {
  call(
    operation: string,
    path: string[],
    query: string[] | undefined,
    body: string | undefined,
    options: string | undefined,
    cancelId: number | undefined,
  ): Promise<string>;
  open(
    operation: string,
    path: string[],
    query: string[] | undefined,
    body: string | undefined,
    options: string | undefined,
    cancelId: number | undefined,
  ): Promise<NativeStream>;
  cancel(cancelId: number): void;
  close(): void;
}

/** The native end of a stream. @internal */
export interface NativeStream {
  /** The events that are ready as one JSON array, at least one of them; null at the end. */
  next(): Promise<string | null>;
  close(): Promise<void>;
  detach(): Promise<void>;
}

/** Writes a recording. @internal */
export type NativeRecorder = object;

/** Plays a recording back. @internal */
export interface NativeReplayer {
  readonly unused: number;
}

/** What a client is made from: its options as JSON, and what stands between it and its connection. @internal */
export type NativeConfig = [
  config: string,
  recorder?: NativeRecorder | undefined,
  replayer?: NativeReplayer | undefined,
];

/** A control plane inside this process. @internal */
export interface NativePlane {
  readonly liveKey: string;
  readonly testKey: string;
  /** A client of the plane; with its live key unless the configuration has another. */
  client(...config: NativeConfig): NativeClient;
  shutdown(): Promise<void>;
}

/** What the native part exports. @internal */
export interface Native {
  NativeClient: new (...config: NativeConfig) => NativeClient;
  NativeRecorder: new (path: string) => NativeRecorder;
  NativeReplayer: new (path: string, isLenient: boolean, atRecordedPace: boolean) => NativeReplayer;
  /** Absent in a build without the control plane. */
  NativePlane?: { start(options: string): Promise<NativePlane> };
}

let loaded: Native | undefined;

/** The native part, loaded when it is first needed. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  const require = createRequire(__filename);
  const tried: string[] = [];
  for (const file of candidates()) {
    if (existsSync(file)) return require(file);
    tried.push(file);
  }
  throw new Error(
    `theazo has no native part for ${platform()} (Node ${process.version}): none of ${tried.join(', ')} exists. ` +
      'Build it with `npm run build:native` in theazo-node, or set THEAZO_NATIVE_PATH to a build for this platform.',
  );
}

function* candidates(): Generator<string> {
  if (process.env.THEAZO_NATIVE_PATH) {
    yield process.env.THEAZO_NATIVE_PATH;
    return;
  }
  const folder = join(__dirname, '..');
  yield join(folder, 'theazo.node');
  // Last, because asking for the platform's C library takes longer than loading.
  yield join(folder, `theazo.${platform()}.node`);
}

function platform(): string {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : '';
  return `${process.platform}-${process.arch}${libc}`;
}

/** Node says which glibc it runs on; on musl it says nothing. */
function isMusl(): boolean {
  const { header } = process.report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } };
  return !header?.glibcVersionRuntime;
}
