/** Data types of SSH (RFC 4251 5): what a malformed message makes of a session is for the caller to decide. */
export class SshFormatError extends Error {
  override readonly name = 'SshFormatError';
}

/** Reads one message's fields in order. Views, never copies. Throws SshFormatError past the end. */
export class SshReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  byte(): number {
    return this.#take(1)[0] ?? 0;
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0);
  }

  string(): Buffer {
    return this.#take(this.uint32());
  }

  /** A string of at most `bytesMax` that is UTF-8, or at least nothing but text: what is not becomes U+FFFD. */
  text(bytesMax: number): string {
    const bytes = this.string();
    if (bytes.length > bytesMax) throw new SshFormatError('a text is too long');
    return bytes.toString('utf8');
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new SshFormatError('a message ends before its fields');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

type Field = number | boolean | string | Uint8Array | { readonly byte: number };

/** One message: numbers as uint32, booleans and `{byte}` as one byte, texts and bytes as strings with their length. */
export function sshBytes(...fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(fieldBytes));
}

function fieldBytes(field: Field): Buffer {
  if (typeof field === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(field >>> 0);
    return bytes;
  }
  if (typeof field === 'boolean') return Buffer.from([field ? 1 : 0]);
  if (typeof field === 'object' && 'byte' in field) return Buffer.from([field.byte]);
  const bytes = typeof field === 'string' ? Buffer.from(field) : field;
  return Buffer.concat([fieldBytes(bytes.length), bytes]);
}
