import { ActionIcon, Button } from '@mantine/core';
import { IconHandStop, IconX } from '@tabler/icons-react';
import { useKnown } from '../../ui/app-state.js';
import { VisibleText } from '../../ui/visible-text.js';
import style from './inspector.module.css';
import { personOf, revocable, revokeAll } from './revoke.js';
import { endsOf, type GroupRow, type Nodes } from './tree.js';
import { choose, setGroupOpen } from './view.js';
import { belowWords, counted, kindWords } from './words.js';

/** Many that look alike, and their end. */
export function GroupInspector({ row, nodes }: { readonly row: GroupRow; readonly nodes: Nodes }) {
  const app = useKnown((known) => known.app);
  const { members, open, key } = row;
  const [first] = members;
  if (first === undefined) return null;
  const ids = members.map(({ id }) => id);
  const ends = endsOf(nodes, ...ids);
  const many = `${counted(members.length, kindWords[first.kind])} ${first.name}`;
  const below = belowWords(ends);
  return (
    <aside className={style['inspector']} aria-label={many}>
      <header className={style['title']}>
        <h2>
          <VisibleText text={first.name} lines={false} /> ×{members.length.toLocaleString()}
        </h2>
        {revocable(app, nodes, members).length > 0 && (
          <Button
            size="compact-xs"
            color="red"
            variant="light"
            leftSection={<IconHandStop size={13} />}
            onClick={() => void revokeAll(members)}
          >
            Revoke all of these
          </Button>
        )}
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          aria-label="Close the inspector"
          onClick={() => choose(undefined)}
        >
          <IconX size={14} />
        </ActionIcon>
      </header>
      <div className={style['facts']}>
        <section className={style['part']}>
          <p>
            {many} of {personOf(nodes, first)}, {counted(ends.sessions, 'live session')}
            {below === '' ? '' : `, ${below} below them`}.
          </p>
          <Button size="compact-xs" variant="default" onClick={() => setGroupOpen(key, open !== true)}>
            {open === true ? 'Show them as one row' : 'Show each of them'}
          </Button>
        </section>
      </div>
    </aside>
  );
}
