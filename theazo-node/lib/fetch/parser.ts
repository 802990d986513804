// Bytes to events, by the rules of the HTML standard for server-sent events.

/** The largest event, in characters. */
export const MAX_EVENT_LENGTH = 16 * 1024 * 1024;

/** One event as it came. */
export interface RawEvent {
  /** What `Last-Event-ID` would say after this event. */
  id: string | undefined;
  data: string;
  /** Whether it says its id itself, and does not just stand after one that did. */
  hasOwnId: boolean;
}

/** Takes bytes as they come and gives the events that they complete, one by one. */
export class Parser {
  readonly #decoder = new TextDecoder();
  readonly #limit: number;
  #input = '';
  #position = 0;
  /** Where the search for the end of a line goes on, so that no character is looked at twice. */
  #searched = 0;
  #data: string[] = [];
  #size = 0;
  #id: string | undefined;
  #saysId = false;
  #afterCarriageReturn = false;
  /** The id that a new connection is to resume after. */
  lastEventId: string | undefined;
  /** The pause before reconnecting that the server asked for, in milliseconds. */
  retry: number | undefined;

  constructor(limit = MAX_EVENT_LENGTH) {
    this.#limit = limit;
  }

  /** A parser for a new connection, which takes over what this one knows of ids. */
  resumed(): Parser {
    const parser = new Parser(this.#limit);
    parser.lastEventId = this.lastEventId;
    parser.#id = this.lastEventId;
    parser.retry = this.retry;
    return parser;
  }

  /** Takes the next bytes. Events of those before must have been asked for until there were none. */
  push(bytes: Uint8Array): void {
    // The decoder drops a byte order mark at the beginning, and replaces what is not UTF-8.
    this.#input = this.#input.slice(this.#position) + this.#decoder.decode(bytes, { stream: true });
    this.#searched -= this.#position;
    this.#position = 0;
  }

  /** The next event; undefined if more bytes are needed for one. An event beyond the limit throws a `RangeError`. */
  next(): RawEvent | undefined {
    for (let line = this.#takeLine(); line !== undefined; line = this.#takeLine()) {
      const event = this.#read(line);
      if (event !== undefined) return event;
      if (this.#size > this.#limit) throw new RangeError('the event is too large');
    }
    if (this.#size + this.#input.length - this.#position > this.#limit) throw new RangeError('the event is too large');
    return undefined;
  }

  /** The next line without its ending. */
  #takeLine(): string | undefined {
    if (this.#afterCarriageReturn && this.#position < this.#input.length) {
      this.#afterCarriageReturn = false;
      if (this.#input[this.#position] === '\n') this.#position += 1;
    }
    const end = this.#endOfLine(Math.max(this.#searched, this.#position));
    if (end === -1) {
      this.#searched = this.#input.length;
      return undefined;
    }
    const line = this.#input.slice(this.#position, end);
    this.#afterCarriageReturn = this.#input[end] === '\r';
    this.#position = end + 1;
    this.#searched = this.#position;
    return line;
  }

  #endOfLine(from: number): number {
    const feed = this.#input.indexOf('\n', from);
    // Servers end lines with a line feed; a carriage return before it is looked for in the line alone.
    const before = feed === -1 ? this.#input.slice(from) : this.#input.slice(from, feed);
    const carriage = before.indexOf('\r');
    return carriage === -1 ? feed : from + carriage;
  }

  /** Takes one line; the blank one gives the event that the lines before it make. */
  #read(line: string): RawEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    let value = colon === -1 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') {
      this.#data.push(value);
      this.#size += value.length + 1;
    } else if (field === 'id' && !value.includes('\0')) {
      this.#id = value === '' ? undefined : value;
      this.#saysId = true;
    } else if (field === 'retry' && /^\d+$/.test(value)) {
      this.retry = Number(value);
    }
    return undefined;
  }

  #dispatch(): RawEvent | undefined {
    this.lastEventId = this.#id;
    const hasOwnId = this.#saysId;
    this.#saysId = false;
    if (this.#data.length === 0) return undefined;
    const data = this.#data.length === 1 ? (this.#data[0] as string) : this.#data.join('\n');
    this.#data = [];
    this.#size = 0;
    return { id: this.lastEventId, data, hasOwnId };
  }
}
