import { type BridgePort, type FromRenderer, ToRenderer } from '../../gateway-core/contract/bridge/wire.js';

const keyName = 'throughline.key';
const firstDelayMs = 100;
const delayMsMax = 3000;

export type Link = 'connecting' | 'connected' | 'lost' | 'refused';

/** A port that outlives its socket: it connects again after a break and tells what it is doing. */
export interface SocketPort extends BridgePort {
  /** Called at once and at every change. `refused`: the key is not taken; only a new start of the page helps. */
  watch(told: (link: Link) => void): () => void;
}

/**
 * The browser host's bridge. The page's address carries a one-time ticket in its fragment, which never reaches a
 * server by itself; it is exchanged for a key that only this tab holds (sessionStorage is per origin with its port,
 * a cookie is not).
 */
export function socketPort(): SocketPort {
  const receivers = new Set<(message: unknown) => void>();
  const watchers = new Set<(link: Link) => void>();
  const waiting: FromRenderer[] = [];
  let socket: WebSocket | undefined;
  let link: Link = 'connecting';
  let delayMs = firstDelayMs;

  const become = (next: Link): void => {
    if (link === next) return;
    link = next;
    // Whoever asked is told that it failed (index.ts), so it must not run later after all.
    if (next === 'lost' || next === 'refused') waiting.length = 0;
    for (const told of watchers) told(next);
  };
  const connect = async (): Promise<void> => {
    const key = await keyOfThisTab();
    if (key === undefined) return become('refused');
    const address = new URL('bridge', location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    address.hash = '';
    const opened = new WebSocket(address);
    socket = opened;
    opened.onopen = () => opened.send(JSON.stringify({ kind: 'hello', key } satisfies FromRenderer));
    opened.onmessage = ({ data }) => receive(String(data));
    opened.onclose = ({ code }) => {
      socket = undefined;
      // 4403: the host does not know this key (any more).
      if (code === 4403) {
        sessionStorage.removeItem(keyName);
        return become('refused');
      }
      become('lost');
      setTimeout(() => void connect(), delayMs);
      delayMs = Math.min(delayMs * 2, delayMsMax);
    };
  };
  const receive = (data: string): void => {
    const message: unknown = JSON.parse(data);
    const parsed = ToRenderer.safeParse(message);
    if (parsed.success && parsed.data.kind === 'welcome') {
      delayMs = firstDelayMs;
      become('connected');
      for (const each of waiting.splice(0)) socket?.send(JSON.stringify(each));
      return;
    }
    for (const each of receivers) each(message);
  };
  void connect();
  return {
    send: (message) => {
      if (link === 'connected' && socket !== undefined) socket.send(JSON.stringify(message));
      else if (link !== 'refused') waiting.push(message);
    },
    listen: (receiver) => {
      receivers.add(receiver);
      return () => receivers.delete(receiver);
    },
    watch: (told) => {
      watchers.add(told);
      told(link);
      return () => watchers.delete(told);
    },
  };
}

async function keyOfThisTab(): Promise<string | undefined> {
  const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket');
  if (ticket !== null) {
    history.replaceState(null, '', location.pathname);
    const answer = await fetch('key', { method: 'POST', body: ticket }).catch(() => undefined);
    if (answer?.ok === true) sessionStorage.setItem(keyName, await answer.text());
  }
  return sessionStorage.getItem(keyName) ?? undefined;
}
