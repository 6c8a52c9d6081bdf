import { Button, Progress } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconPlayerPause, IconPlayerPlay, IconX } from '@tabler/icons-react';
import type { TransferView } from '../../../../gateway-core/contract/bridge/ssh.js';
import { sentence } from '../../../ui/error-state.js';
import { IconButton } from '../../../ui/icon-button.js';
import { VisibleText } from '../../../ui/visible-text.js';
import style from './files.module.css';
import { bytesText } from './paths.js';
import { cancel, clear, isOver, pause, resume, useTransfers } from './transfers.js';

/** Files of this session on their way. */
export function TransferList({ sessionKey }: { readonly sessionKey: string | undefined }) {
  const all = useTransfers(({ transfers }) => transfers);
  const shown = all.filter(({ key }) => key === sessionKey);
  if (shown.length === 0) return null;
  return (
    <section className={style['transfers']} aria-label="Transfers">
      <header>
        <b>Transfers</b>
        {shown.some(isOver) && (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => void clear()}>
            Clear those that are over
          </Button>
        )}
      </header>
      <ul>
        {shown.map((transfer) => (
          <Transfer key={transfer.id} transfer={transfer} />
        ))}
      </ul>
    </section>
  );
}

const words = {
  running: '',
  paused: 'paused',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;

function Transfer({ transfer }: { readonly transfer: TransferView }) {
  const { direction, name, bytes, total, state, error, path, files } = transfer;
  const Sign = direction === 'upload' ? IconArrowUp : IconArrowDown;
  const percent = total === 0 ? 100 : Math.floor((bytes / total) * 100);
  return (
    <li>
      <div className={style['transfer']}>
        <Sign size={14} aria-label={direction} />
        <span className={style['name']}>
          <VisibleText text={name} />
        </span>
        <span className={style['amount']}>
          {files !== undefined &&
            `${files.done.toLocaleString()} of ${files.total.toLocaleString()} files · `}
          {state === 'done' ? bytesText(total) : `${bytesText(bytes)} of ${bytesText(total)}`}
          {words[state] === '' ? ` · ${percent}%` : ` · ${words[state]}`}
        </span>
        {state === 'running' && (
          <IconButton label={`Pause ${name}`} icon={IconPlayerPause} run={() => void pause(transfer)} />
        )}
        {(state === 'paused' || state === 'failed') && (
          <IconButton label={`Go on with ${name}`} icon={IconPlayerPlay} run={() => void resume(transfer)} />
        )}
        {!isOver(transfer) && (
          <IconButton label={`Cancel ${name}`} icon={IconX} run={() => void cancel(transfer)} />
        )}
      </div>
      {!isOver(transfer) && <Progress size={3} value={percent} aria-label={`Progress of ${name}`} />}
      {state === 'done' && path !== '' && (
        <p className={style['where']}>
          <VisibleText text={path} />
        </p>
      )}
      {error !== undefined && (
        <p className={style['problem']} role="alert">
          <VisibleText
            text={`${sentence(error.message)} ${error.action === undefined ? '' : sentence(error.action)}`}
          />
        </p>
      )}
    </li>
  );
}
