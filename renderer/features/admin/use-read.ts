import { useCallback, useEffect, useRef, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { failureOf, on } from '../../bridge/index.js';

/** Reads something when the view opens, and again when the gateway says that rights or connections changed. */
export function useRead<T>(read: () => Promise<T>): {
  readonly value: T | undefined;
  readonly problem: BridgeError | undefined;
  readonly again: () => void;
} {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<BridgeError>();
  const latest = useRef(read);
  latest.current = read;
  const again = useCallback(() => {
    latest.current().then(
      (found) => {
        setValue(found);
        setProblem(undefined);
      },
      (cause: unknown) => setProblem(failureOf(cause)),
    );
  }, []);
  useEffect(() => {
    again();
    const stops = [on('connections.changed', again), on('resync', again)];
    return () => stops.forEach((stop) => stop());
  }, [again]);
  return { value, problem, again };
}
