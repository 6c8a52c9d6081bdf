import { useEffect, useRef, useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Skeleton } from '../../../ui/skeleton.js';
import type { SqlTab } from '../tab-model.js';
import style from './editor.module.css';

/** The editor of a tab. It is the largest part of the app and comes when the first SQL tab is opened. */
export function SqlEditor({ tab, ready }: { readonly tab: SqlTab; readonly ready: boolean }) {
  const parent = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<'loading' | 'shown'>('loading');
  const [problem, setProblem] = useState<BridgeError>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (!ready) return undefined;
    let remove: (() => void) | undefined;
    let gone = false;
    import('./monaco.js').then(
      ({ createEditor }) => {
        if (gone || parent.current === null) return;
        remove = createEditor(parent.current, tab, tab.initialText ?? '');
        setState('shown');
        setProblem(undefined);
        tab.editor?.focus();
      },
      () => setProblem({ code: 'internal', message: 'the editor could not be loaded', action: 'try again' }),
    );
    return () => {
      gone = true;
      remove?.();
    };
  }, [tab, ready, attempt]);
  return (
    <div className={style['editor']}>
      {problem !== undefined && <ErrorState error={problem} retry={() => setAttempt(attempt + 1)} />}
      {state === 'loading' && problem === undefined && <Skeleton label="Loading the editor" />}
      <div ref={parent} className={style['monaco']} />
    </div>
  );
}
