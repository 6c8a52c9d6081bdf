import { Button, TextInput } from '@mantine/core';
import { IconSearch, IconTable } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { Line } from '../../ui/line.js';
import { Time } from '../../ui/time.js';
import { VirtualList } from '../../ui/virtual-list.js';
import { workbench } from '../../ui/workbench.js';
import { useMe } from './me.js';
import style from './sessions.module.css';
import { useShownSessions, WhichSessions } from './sessions-view.js';
import { readSessions } from './store.js';

/** The sidebar: the same sessions as the table, in the width there is. */
export function SessionsSidebar() {
  const me = useMe();
  const [which, setWhich] = useState<'live' | 'mine' | 'all'>('live');
  const [text, setText] = useState('');
  const shown = useShownSessions(which, text, me);
  useEffect(() => void readSessions(), []);
  return (
    <div className={style['sidebar']}>
      <div className={style['sideBar']}>
        <WhichSessions which={which} setWhich={setWhich} />
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconTable size={14} />}
          onClick={() => workbench().openTab('sessions', {})}
        >
          Table
        </Button>
      </div>
      <TextInput
        size="xs"
        placeholder="Filter"
        aria-label="Filter sessions"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <VirtualList
        label="Sessions"
        items={shown}
        rowHeight={44}
        keyOf={(session) => session.id}
        textOf={(session) => `${session.principal} ${session.connection}`}
        onOpen={(session) => workbench().openTab('session', { id: session.id })}
        empty={which === 'live' ? 'Nobody is connected right now.' : 'No session here.'}
        render={(session) => (
          <div className={style['side']}>
            <Line chain={session.chain} connection={session.connection} />
            <span className={style['sideFacts']}>
              <span data-live={session.state === 'live'} className={style['state']}>
                {session.state}
              </span>
              <Time at={session.startedAt} short />
              <span>{session.statements.toLocaleString()} statements</span>
            </span>
          </div>
        )}
      />
    </div>
  );
}
