import type { Inflate } from '../../zip/read.js';
import { Pace } from '../data/pace.js';

/** A browser unpacks what it is given at once: at 1032 to 1, so much is what memory has to hold. */
const pieceBytes = 8 * 1024;

const pace = new Pace();

/** The browser's DEFLATE as the ZIP reader wants it: bytes behind the stream's end are an error there, too. */
export const inflate: Inflate = async function* (packed) {
  const stream = new DecompressionStream('deflate-raw');
  const writer = stream.writable.getWriter();
  const feed = async (): Promise<void> => {
    for await (const piece of packed) {
      for (let at = 0; at < piece.length; at += pieceBytes) {
        await writer.ready;
        await writer.write(piece.slice(at, at + pieceBytes));
      }
    }
    await writer.close();
  };
  const feeding = feed().catch(async (cause: unknown) => {
    await writer.abort(cause).catch(() => undefined);
    throw cause;
  });
  feeding.catch(() => undefined);
  const reader = stream.readable.getReader();
  try {
    for (;;) {
      // What is packed in memory comes without the page ever having its turn.
      await pace.turn();
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    await feeding;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
};
