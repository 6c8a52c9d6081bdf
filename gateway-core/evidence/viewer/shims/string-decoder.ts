/** As node:string_decoder has it, of UTF-8 alone: characters that are cut between two calls are put together. */
export class StringDecoder {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  write(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }
}
