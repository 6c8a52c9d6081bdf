/** What asks a command to end. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `leave` at the first of each signal, in place of the process ending. Call what is returned to leave it as it was. */
export function onSignal(leave: () => void): () => void {
  for (const signal of signals) process.once(signal, leave);
  return () => {
    for (const signal of signals) process.off(signal, leave);
  };
}
