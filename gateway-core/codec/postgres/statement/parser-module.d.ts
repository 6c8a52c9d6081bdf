/**
 * The Emscripten factory inside libpg-query. It is used directly because the package's own entry keeps one
 * instance for ever, and an instance that overflowed its stack stays broken (see parser.ts).
 */
declare module 'libpg-query/wasm/libpg-query.js' {
  export interface ParserInstance {
    readonly HEAPU8: Uint8Array;
    readonly _malloc: (bytes: number) => number;
    readonly _free: (pointer: number) => void;
    readonly _wasm_parse_query_raw: (text: number) => number;
    readonly _wasm_free_parse_result: (result: number) => void;
    stringToUTF8(text: string, pointer: number, bytesMax: number): number;
    UTF8ToString(pointer: number): string;
    getValue(pointer: number, type: 'i32'): number;
  }
  const factory: () => Promise<ParserInstance>;
  export default factory;
}
