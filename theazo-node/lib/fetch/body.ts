// The bodies of answers, read with a limit.

/** The whole body as text; undefined if it has more bytes than that. */
export async function readWhole(response: Response, limit: number): Promise<string | undefined> {
  let size = 0;
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of piecesOf(response)) {
    size += piece.byteLength;
    if (size > limit) return undefined;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

/** What comes of a body, and at most about that much; an end before its time is none. */
export async function readBeginning(response: Response, limit: number): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const piece of piecesOf(response)) {
      text += decoder.decode(piece, { stream: true });
      if (text.length >= limit) break;
    }
  } catch {}
  return text.slice(0, limit);
}

/** The pieces of a body as they come. Streams are no async iterables everywhere, so they are read by hand. */
async function* piecesOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) return;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
