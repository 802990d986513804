// The content of files: bytes in JavaScript, text with an encoding in JSON.

import type { FileContent } from './generated/types.js';
import { invalid } from './input.js';

/** What a request carries of a file: text as it is, bytes as base64. */
export function encodeFile(data: string | Uint8Array): { data: string; encoding: 'utf-8' | 'base64' } {
  if (typeof data === 'string') return { data, encoding: 'utf-8' };
  if (!ArrayBuffer.isView(data)) throw invalid('data', 'must be text or bytes: a string, a Buffer or a Uint8Array');
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { data: bytes.toString('base64'), encoding: 'base64' };
}

/** The bytes of a file; `toString()` makes them text. */
export function decodeFile(content: FileContent): Buffer {
  return Buffer.from(content.data, content.encoding === 'base64' ? 'base64' : 'utf8');
}
