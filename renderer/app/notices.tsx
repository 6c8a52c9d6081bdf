import { ActionIcon, Button } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconInfoCircle, IconX } from '@tabler/icons-react';
import { useEffect } from 'react';
import { create } from 'zustand';
import { on } from '../bridge/index.js';
import { VisibleText } from '../ui/visible-text.js';
import { type Workbench, workbench } from '../ui/workbench.js';
import style from './app.module.css';

type Notice = Parameters<Workbench['notify']>[0];
interface Shown {
  readonly number: number;
  readonly notice: Notice;
}

const noticesMax = 5;
/** Errors stay until they are put away. */
const shownMs = 7000;

const useNotices = create<{ readonly shown: readonly Shown[] }>(() => ({ shown: [] }));
let count = 0;

export function notify(notice: Notice): void {
  count += 1;
  const number = count;
  useNotices.setState(({ shown }) => ({ shown: [...shown, { number, notice }].slice(-noticesMax) }));
}

function dismiss(number: number): void {
  useNotices.setState(({ shown }) => ({ shown: shown.filter((each) => each.number !== number) }));
}

on('notice', ({ level, title, text, session }) =>
  notify({
    level,
    title,
    text,
    ...(session === undefined
      ? {}
      : { action: { title: 'Show', run: () => workbench().openTab('session', { id: session }) } }),
  }),
);

const icons = {
  info: IconInfoCircle,
  success: IconCircleCheck,
  warning: IconAlertTriangle,
  error: IconAlertTriangle,
};

export function Notices() {
  const shown = useNotices((state) => state.shown);
  return (
    <div className={style['notices']} role="status" aria-live="polite" aria-label="Notices">
      {shown.map(({ number, notice }) => (
        <Card key={number} notice={notice} close={() => dismiss(number)} />
      ))}
    </div>
  );
}

function Card({ notice, close }: { readonly notice: Notice; readonly close: () => void }) {
  const { level, title, text, action } = notice;
  useEffect(() => {
    if (level === 'error') return undefined;
    const timer = setTimeout(close, shownMs);
    return () => clearTimeout(timer);
    // A notice does not change: its time begins once.
  }, [level]);
  const Sign = icons[level];
  return (
    <div className={style['notice']} data-level={level}>
      <Sign size={16} aria-hidden />
      <div>
        <b>
          <VisibleText text={title} />
        </b>
        {text !== undefined && (
          <p>
            <VisibleText text={text} />
          </p>
        )}
        {action !== undefined && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => {
              action.run();
              close();
            }}
          >
            {action.title}
          </Button>
        )}
      </div>
      <ActionIcon size="sm" variant="subtle" color="gray" aria-label="Put the notice away" onClick={close}>
        <IconX size={14} />
      </ActionIcon>
    </div>
  );
}
