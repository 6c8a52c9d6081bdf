/** Hands messages on, each in a turn of its own. */
export interface InTurn {
  readonly take: (message: unknown) => void;
  /** All that wait, now. */
  readonly flush: () => void;
}

/**
 * Node hands on what came in one piece message after message, and only then what waits for a promise: an answer, which is
 * one, would be overtaken by the event behind it, and whoever keeps the last that was told would keep the older one. So
 * the next message waits until everything that came of the one before is done. The first of a piece waits for nothing.
 */
export function inTurn(hear: (message: unknown) => void): InTurn {
  const waiting: unknown[] = [];
  let busy = false;
  const next = (): void => {
    if (waiting.length === 0) {
      busy = false;
      return;
    }
    setImmediate(next);
    hear(waiting.shift());
  };
  return {
    take: (message) => {
      waiting.push(message);
      if (busy) return;
      busy = true;
      next();
    },
    flush: () => {
      for (const each of waiting.splice(0)) hear(each);
    },
  };
}
