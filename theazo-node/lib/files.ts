// The content of files: text, bytes or a stream in JavaScript, text with an encoding in JSON.

import type { FileContent } from './generated/types.js';
import { invalid } from './input.js';

/** Edge runtimes and browsers have no buffers; bytes are a `Uint8Array` there. */
const HAS_BUFFERS = typeof Buffer === 'function';

/**
 * The content of a file: text; bytes, such as a `Buffer`; a `Blob`; or a stream of text or bytes, such as one of Node's or of
 * the web. A stream is read to its end before anything is sent.
 */
export type FileInput =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** What a request carries of a file: text as it is, bytes as base64. @internal */
export async function encodeFile(data: FileInput): Promise<{ data: string; encoding: 'utf-8' | 'base64' }> {
  if (typeof data === 'string') return { data, encoding: 'utf-8' };
  return { data: base64(await bytesOf(data, 'data')), encoding: 'base64' };
}

/** The bytes of a file; `toString()` makes them text, where there are buffers. @internal */
export function decodeFile({ data, encoding }: FileContent): Buffer {
  if (HAS_BUFFERS) return Buffer.from(data, encoding === 'base64' ? 'base64' : 'utf8');
  if (encoding !== 'base64') return utf8(data) as Buffer;
  return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)) as Buffer;
}

/** What versions of the client call the content of a file that goes as base64. */
const CONTENT = ['data', 'content', 'file'];

/** A request with the content of a file in it as base64. @internal */
export async function withContent<T extends object>(request: T, path = ''): Promise<T> {
  const sent = { ...request } as Record<string, unknown>;
  for (const name of CONTENT) {
    const content = sent[name];
    if (content === undefined || content === null) continue;
    const bytes = typeof content === 'string' ? utf8(content) : await bytesOf(content, `${path}${name}`);
    sent[name] = base64(bytes);
  }
  return sent as T;
}

/** A request with the content of each file of a list in it as base64. @internal */
export async function withContents<T extends object>(request: T, member: string): Promise<T> {
  const files = (request as Record<string, unknown>)[member];
  // What is no list of files is for the server to refuse.
  if (!Array.isArray(files)) return request;
  const encoded = files.map((file: unknown, index) =>
    typeof file === 'object' && file !== null ? withContent(file, `${member}[${index}].`) : file,
  );
  return { ...request, [member]: await Promise.all(encoded) };
}

async function bytesOf(data: unknown, parameter: string): Promise<Uint8Array> {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer());
  if (typeof data === 'object' && data !== null && Symbol.asyncIterator in data) {
    return await collect(data as AsyncIterable<unknown>, parameter);
  }
  throw invalid(parameter, 'must be text, bytes or a stream of them: a string, a Buffer, a Blob or a ReadableStream');
}

async function collect(stream: AsyncIterable<unknown>, parameter: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) {
    if (typeof part === 'string') parts.push(utf8(part));
    else if (part instanceof Uint8Array) parts.push(part);
    else throw invalid(parameter, 'is a stream of something that is neither text nor bytes');
  }
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function base64(bytes: Uint8Array): string {
  if (HAS_BUFFERS) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
