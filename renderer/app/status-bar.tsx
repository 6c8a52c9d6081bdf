import {
  IconAlertTriangle,
  IconArrowsLeftRight,
  IconArrowUp,
  IconClockExclamation,
  IconCloudOff,
  IconDiamond,
  IconFileExport,
  IconKey,
  IconMoon,
  IconPlugConnected,
  IconSearch,
  IconSun,
} from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { AppState, SpoolState } from '../../gateway-core/contract/bridge/app.js';
import type { ExportView, TunnelView } from '../../gateway-core/contract/bridge/work.js';
import { call, on } from '../bridge/index.js';
import { useAgentCount } from '../features/agents/count.js';
import { prefer, signedIn, useKnown } from '../ui/app-state.js';
import { Shortcut } from '../ui/shortcut.js';
import { durationText } from '../ui/time.js';
import { workbench } from '../ui/workbench.js';
import style from './app.module.css';
import { spoolWords } from './spool-words.js';

/** A clock that is off by less is nobody's business. */
const skewMsMin = 5000;

/** What is true right now, in one row. Nothing stands here that is not known. */
export function StatusBar({ app }: { readonly app: AppState }) {
  const { gateway, agent } = app;
  const tunnels = useTunnels();
  const unattributed = tunnels.some(({ password }) => password !== undefined);
  const agents = useAgentCount();
  const running = useExports().filter((each) => each.state === 'running').length;
  const me = signedIn(app);
  const reach = gateway?.reach ?? 'connecting';
  const skew = Math.abs(gateway?.clockSkewMs ?? 0);
  return (
    <footer className={style['status']} aria-label="Status">
      <button
        type="button"
        className={style['statusPart']}
        data-tone={reach === 'connected' ? 'good' : 'bad'}
        title={
          gateway === undefined
            ? ''
            : `${gateway.url}${gateway.version === undefined ? '' : `, version ${gateway.version}`}`
        }
        onClick={() => workbench().openTab('settings', {})}
      >
        {reach === 'connected' ? (
          <IconPlugConnected size={14} aria-hidden />
        ) : (
          <IconCloudOff size={14} aria-hidden />
        )}
        {reach === 'connected' ? hostOf(gateway?.url) : `gateway ${reach}`}
        {gateway?.demo === true && <b className={style['demo']}>demo</b>}
      </button>
      {agent !== 'running' && (
        <span className={style['statusPart']} data-tone="bad" role="alert">
          <IconAlertTriangle size={14} aria-hidden /> agent process {agent}
        </span>
      )}
      <button
        type="button"
        className={style['statusPart']}
        {...(unattributed
          ? {
              'data-tone': 'wait',
              title:
                'Nobody here can tell which program is behind a socket: sessions through tunnels are unattributed',
            }
          : {})}
        onClick={() => workbench().openTab('tunnels', {})}
      >
        <IconArrowsLeftRight size={14} aria-hidden />
        {tunnels.length === 1 ? '1 tunnel' : `${tunnels.length} tunnels`}
        {unattributed && ', unattributed'}
      </button>
      <button
        type="button"
        className={style['statusPart']}
        title={
          agents === undefined
            ? 'Who acts is not known right now'
            : 'Agents and sub-agents that act or may act now'
        }
        onClick={() => workbench().openTab('agents', {})}
      >
        <IconDiamond size={14} aria-hidden /> sub-agents {agents?.toLocaleString() ?? '?'}
      </button>
      {app.spool !== undefined && <SpoolPart spool={app.spool} />}
      {running > 0 && (
        <span className={style['statusPart']}>
          <IconFileExport size={14} aria-hidden />{' '}
          {running === 1 ? '1 export runs' : `${running} exports run`}
        </span>
      )}
      {skew >= skewMsMin && (
        <span
          className={style['statusPart']}
          data-tone="wait"
          title="Times on this machine and at the gateway differ"
        >
          <IconClockExclamation size={14} aria-hidden /> clock off by {durationText(skew)}
        </span>
      )}
      {me !== undefined && me.storage !== 'keyring' && (
        <button
          type="button"
          className={style['statusPart']}
          data-tone="wait"
          title={
            me.storage === 'file'
              ? 'No keyring here: the sign-in is sealed by a key in a second file'
              : 'No keyring here: the sign-in ends with the app'
          }
          onClick={() => workbench().openTab('settings', {})}
        >
          <IconKey size={14} aria-hidden /> {me.storage === 'file' ? 'keys in a file' : 'keys in memory'}
        </button>
      )}
      <span className={style['statusGap']} />
      {me !== undefined && (
        <span className={`${style['statusPart']} ${style['statusWho']}`}>{me.principal}</span>
      )}
      <ThemeButton />
      <button type="button" className={style['statusPart']} onClick={() => workbench().openPalette()}>
        <IconSearch size={14} aria-hidden /> <Shortcut command="app.palette" />
        <span className={style['hidden']}>Open the command palette</span>
      </button>
    </footer>
  );
}

function SpoolPart({ spool }: { readonly spool: SpoolState }) {
  const nowMs = useMinute();
  const { tone, text, title } = spoolWords(spool, nowMs);
  return (
    <button
      type="button"
      className={style['statusPart']}
      data-tone={tone}
      title={title}
      onClick={() => workbench().openTab('settings', {})}
    >
      {tone === 'good' ? <IconArrowUp size={14} aria-hidden /> : <IconAlertTriangle size={14} aria-hidden />}{' '}
      spool {text}
    </button>
  );
}

/** Now, to the minute or to whatever else changes. */
function useMinute(): number {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 60_000);
    return () => clearInterval(timer);
  }, []);
  return Date.now();
}

function ThemeButton() {
  const theme = useKnown(({ preferences }) => preferences.theme);
  const next = { system: 'dark', dark: 'light', light: 'system' } as const;
  return (
    <button
      type="button"
      className={style['statusPart']}
      title={`Theme: ${theme}. Click for ${next[theme]}.`}
      onClick={() => void prefer({ theme: next[theme] })}
    >
      {theme === 'light' ? <IconSun size={14} aria-hidden /> : <IconMoon size={14} aria-hidden />} {theme}
    </button>
  );
}

function hostOf(url: string | undefined): string {
  if (url === undefined) return 'gateway';
  return URL.canParse(url) ? new URL(url).host : url;
}

/** Open tunnels, as the agent tells them. */
function useTunnels(): readonly TunnelView[] {
  const [tunnels, setTunnels] = useState<readonly TunnelView[]>([]);
  useEffect(() => {
    call('tunnels.list', {}).then(setTunnels, () => undefined);
    return on('tunnels.changed', setTunnels);
  }, []);
  return tunnels.filter((each) => each.state === 'open');
}

function useExports(): readonly ExportView[] {
  const [exports, setExports] = useState<readonly ExportView[]>([]);
  useEffect(() => {
    call('exports.list', {}).then(setExports, () => undefined);
    return on('export.changed', (changed) =>
      setExports((before) => [...before.filter((each) => each.id !== changed.id), changed]),
    );
  }, []);
  return exports;
}
