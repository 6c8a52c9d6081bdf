import { useMemo } from 'react';
import { Time } from '../../ui/time.js';
import { VisibleText } from '../../ui/visible-text.js';
import style from './inspector.module.css';
import { useAgents } from './store.js';
import { kindWords } from './words.js';

const shownMax = 40;

/** What came and went below a node since the tree was first read. */
export function Happenings({ id }: { readonly id: string }) {
  const happened = useAgents((state) => state.happened);
  const since = useAgents((state) => state.since);
  const below = useMemo(
    () => happened.filter((each) => each.id === id || each.above.includes(id)).reverse(),
    [happened, id],
  );
  if (since === undefined) return null;
  return (
    <section className={style['part']}>
      <h3>
        Came and went since <Time at={since} short />
      </h3>
      {below.length === 0 && <p className={style['quiet']}>Nothing.</p>}
      <ol className={style['happened']}>
        {below.slice(0, shownMax).map(({ at, what, id: who, kind, name }, index) => (
          <li key={`${at} ${who} ${what} ${below.length - index}`}>
            <Time at={at} short />
            <span data-what={what}>{what === 'attached' ? '+' : '−'}</span>
            <span className={style['quiet']}>
              {kindWords[kind]}{' '}
              <b>
                <VisibleText text={name} lines={false} />
              </b>{' '}
              {what === 'attached' ? 'attached' : 'ended'}
            </span>
          </li>
        ))}
      </ol>
      {below.length > shownMax && (
        <p className={style['quiet']}>{(below.length - shownMax).toLocaleString()} before.</p>
      )}
    </section>
  );
}
