/** Work between two looks at the page's own needs. */
const sliceMs = 24;

/** Somebody wanted something else meanwhile. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/**
 * Lets the page live while something long runs: `await pace.turn()` often. It costs nothing until a slice is over.
 * @throws Stopped once the signal is
 */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #sinceMs = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  turn(): Promise<void> | undefined {
    if (this.#signal?.aborted === true) throw new Stopped();
    if (performance.now() - this.#sinceMs < sliceMs) return undefined;
    return this.#yield();
  }

  async #yield(): Promise<void> {
    await macrotask();
    this.#sinceMs = performance.now();
    if (this.#signal?.aborted === true) throw new Stopped();
  }
}

/** Not setTimeout, which waits four milliseconds and, in a tab behind others, a second. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
