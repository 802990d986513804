// What carries out calls: a native part, or `fetch` where there is none. Which of them, the platform says.

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
  /**
   * The events that are ready as one JSON array, at least one of them; null at the end. One that says a text and nothing else is
   * that text.
   */
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
  /** Lets a function answer for the model of an agent: JSON in, JSON out. */
  scriptWith(agent: string, answer: (conversation: string) => Promise<string>): void;
  /** Listens on a free port of this machine and gives the address. */
  listen(): Promise<string>;
  shutdown(): Promise<void>;
}

/** What makes clients. @internal */
export interface ClientPart {
  NativeClient: new (...config: NativeConfig) => NativeClient;
}

/** What starts control planes inside this process and keeps recordings, besides making clients. @internal */
export interface PlanePart extends ClientPart {
  NativeRecorder: new (path: string) => NativeRecorder;
  NativeReplayer: new (path: string, isLenient: boolean, atRecordedPace: boolean) => NativeReplayer;
  NativePlane: { start(options: string): Promise<NativePlane> };
}

/** What the place where the package runs has. @internal */
export interface Platform {
  clientPart(): ClientPart;
  planePart(): PlanePart;
  /** A variable of the environment. */
  variable(name: string): string | undefined;
}

let platform: Platform;

/** Says what the place has; each entry of the package does. @internal */
export function providePlatform(provided: Platform): void {
  platform = provided;
}

/** What makes clients. @internal */
export function clientPart(): ClientPart {
  return platform.clientPart();
}

/** What starts control planes and keeps recordings, or an error that says why there is none. @internal */
export function planePart(): PlanePart {
  return platform.planePart();
}

/** A variable of the environment. @internal */
export function variable(name: string): string | undefined {
  return platform.variable(name);
}
