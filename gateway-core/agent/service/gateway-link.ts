import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayInfo, LiveItem, WhoAmI } from '../../contract/api.js';
import type { AppState, GatewayState, SignInState } from '../../contract/bridge/app.js';
import { ThroughlineError } from '../../contract/errors.js';
import { api } from '../client/api.js';
import { type BrowserSignIn } from '../client/browser.js';
import { deviceKey } from '../client/dpop.js';
import { type Gateway, openGateway, type StreamRecorder } from '../client/gateway.js';
import { chooseGateway, login, logout } from '../client/login.js';
import { gatewayInfo } from '../client/oauth.js';
import type { ClientState } from '../client/state.js';
import { notSignedIn } from '../client/tickets.js';
import { createTransport } from '../client/transport.js';
import type { Trust } from '../client/trust.js';
import { requestLineage } from '../tunnel/behind.js';
import type { Emit } from './emit.js';
import { Endings } from './endings.js';
import { toBridgeError } from './failure.js';
import { serviceLimits } from './limits.js';
import { misuseNotice } from './misuse-notice.js';

export interface LinkRecording {
  readonly recorder: StreamRecorder | undefined;
  readonly state: () => Pick<AppState, 'spool' | 'logConflict'>;
  /** The device of this sign-in, before anybody knows whether the gateway answers. */
  readonly know: (url: string, device: string) => void;
  /** The gateway answers again. */
  readonly reached: () => void;
}

export interface GatewayLinkOptions {
  readonly state: ClientState;
  readonly emit: Emit;
  readonly openBrowser: (url: string) => void;
  readonly facts: { readonly version: string; readonly platform: string };
  /** Another gateway, another person, or nobody any more: what hangs on the old one has to end. */
  readonly ended: (why: 'signed-out' | 'changed') => Promise<void>;
  /** Somebody is signed in and the gateway answers. */
  readonly begun: (gateway: Gateway) => void;
  /** This desktop's own record of its sessions. */
  readonly recording: LinkRecording;
}

/**
 * The one gateway of this agent: which it is, whether it answers, who is signed in there, and what it tells as it
 * happens. Everything that changes ends in one `app.changed` of the whole state.
 */
export class GatewayLink {
  /** Tells of sessions that others have ended, or watch. */
  readonly endings: Endings;
  readonly #options: GatewayLinkOptions;
  #url: string | undefined;
  #trust: Trust | undefined;
  #gateway: Gateway | undefined;
  #info: GatewayInfo | undefined;
  #who: WhoAmI | undefined;
  #storage: 'keyring' | 'file' = 'file';
  #noticeUnread = false;
  #pending: { readonly url: string; readonly close: () => void } | undefined;
  #reach: GatewayState['reach'] = 'connecting';
  #problem: GatewayState['problem'];
  #clockSkewMs: number | undefined;
  /** A sign-in that the gateway has ended. Its tokens are still kept: they must not be tried again and again. */
  #over: { readonly principal: string; accessToken: string | undefined } | undefined;
  /** Each attempt to sign in has a number; how an older one ends is nobody's business any more. */
  #attempt = 0;
  /** Each following of a gateway has a number; an older one that still runs changes nothing any more. */
  #round = 0;
  /** The gateway told something since it was reached the last time. */
  #heard = false;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: GatewayLinkOptions) {
    this.#options = options;
    this.endings = new Endings(options.emit);
  }

  /** Goes to the gateway of the last time. */
  async start(): Promise<void> {
    const settings = await this.#options.state.settings();
    const url = settings.gateway;
    const trust = url === undefined ? undefined : settings.gateways[url]?.trust;
    if (url === undefined || trust === undefined) return this.#tell();
    await this.#goTo(url, trust);
  }

  get url(): string | undefined {
    return this.#url;
  }

  /** What the gateway proves itself with as an SSH server, as it said over its own TLS. */
  readonly sshHostKeys = (): readonly string[] => this.#info?.ssh?.hostKeys ?? [];

  /** @throws ThroughlineError not-signed-in */
  current(): Gateway {
    if (this.#gateway !== undefined) return this.#gateway;
    throw notSignedIn(this.#url ?? 'a gateway');
  }

  principal(): string {
    return this.#who?.principal ?? '';
  }

  /** Runs a call; a sign-in that turns out to have ended is noticed. */
  async with<T>(work: (gateway: Gateway) => Promise<T>): Promise<T> {
    const gateway = this.current();
    try {
      return await work(gateway);
    } catch (error) {
      if (gateway === this.#gateway) this.noticed(error);
      throw error;
    }
  }

  async use(url: string, fingerprint: string | undefined): Promise<void> {
    const { origin, trust } = await chooseGateway(this.#options.state, url, fingerprint);
    if (origin === this.#url && this.#gateway !== undefined) {
      this.#trust = trust;
      return this.reconnect();
    }
    await this.#leave('changed');
    await this.#goTo(origin, trust);
  }

  /** @returns the loopback address that leads to the sign-in page, for a browser that does not open by itself */
  async signIn(): Promise<string> {
    const url = this.#url;
    if (url === undefined) {
      throw new ThroughlineError('usage', 'no gateway is chosen yet', { action: 'choose one first' });
    }
    this.cancelSignIn();
    const attempt = this.#attempt;
    return new Promise((resolve, reject) => {
      const show = (pending: BrowserSignIn): void => {
        if (attempt !== this.#attempt) {
          pending.close();
          return reject(new ThroughlineError('sign-in-refused', 'the sign-in was cancelled'));
        }
        this.#pending = { url: pending.startUrl, close: pending.close };
        this.#tell();
        this.#options.openBrowser(pending.startUrl);
        resolve(pending.startUrl);
      };
      login({ state: this.#options.state, gateway: url, method: { kind: 'browser', show }, trust: {} }).then(
        () => this.#signedIn(url),
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error('the sign-in failed'));
          if (attempt === this.#attempt) this.#signInFailed(error);
        },
      );
    });
  }

  cancelSignIn(): void {
    this.#attempt += 1;
    this.#pending?.close();
    this.#pending = undefined;
    this.#tell();
  }

  async signOut(): Promise<void> {
    const url = this.#url;
    if (url === undefined) return;
    // Whatever the old sign-in is still told is no news: the person ends it.
    this.#round += 1;
    this.#wake?.();
    // What cannot be ended must not keep anybody signed in.
    await this.#options.ended('signed-out').catch(() => undefined);
    try {
      await logout(this.#options.state, url);
    } finally {
      this.#forget();
      this.#follow();
    }
  }

  async acknowledgeNotice(): Promise<void> {
    const digest = this.#noticeDigest();
    if (digest === undefined) return;
    await this.#options.state.changeSettings((settings) => ({
      ...settings,
      noticesRead: [...settings.noticesRead.filter((each) => each !== digest), digest],
    }));
    this.#noticeUnread = false;
    this.#tell();
  }

  /** The state of `recording` has changed. */
  recordingChanged(): void {
    this.#tell();
  }

  /** Tries at once instead of after the delay. */
  reconnect(): void {
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#round += 1;
    this.#wake?.();
    this.#pending?.close();
    this.#gateway?.close();
  }

  async #signedIn(url: string): Promise<void> {
    this.#pending = undefined;
    if (url !== this.#url) return;
    this.#over = undefined;
    this.#forget();
    const settings = await this.#options.state.settings();
    this.#trust = settings.gateways[url]?.trust;
    this.#follow();
  }

  #signInFailed(error: unknown): void {
    // What fails before it is shown is told by the call itself.
    const shown = this.#pending !== undefined;
    this.#pending = undefined;
    this.#tell();
    if (!shown) return;
    const { message, action } = toBridgeError(error);
    this.#options.emit('notice', {
      level: 'error',
      title: 'Not signed in',
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }

  async #goTo(url: string, trust: Trust): Promise<void> {
    this.#url = url;
    this.#trust = trust;
    this.#info = undefined;
    this.#reach = 'connecting';
    this.#problem = undefined;
    this.#follow();
    const signIn = await this.#options.state.signIn(url).catch(() => undefined);
    if (signIn?.tokens !== undefined && url === this.#url && !this.#closed)
      this.#options.recording.know(url, deviceKey(signIn.deviceKey).thumbprint);
  }

  async #leave(why: 'signed-out' | 'changed'): Promise<void> {
    this.cancelSignIn();
    if (this.#gateway !== undefined) await this.#options.ended(why);
    this.#forget();
    this.#round += 1;
    this.#wake?.();
  }

  #forget(): void {
    this.#gateway?.close();
    this.#gateway = undefined;
    this.#who = undefined;
  }

  /** Follows the gateway from now on, in place of whatever was followed before. */
  #follow(): void {
    this.#round += 1;
    this.#wake?.();
    const round = this.#round;
    this.#tell();
    void this.#run(round);
  }

  async #run(round: number): Promise<void> {
    const { retryDelayMs, retryDelayMsMax } = serviceLimits;
    let delayMs: number = retryDelayMs;
    while (round === this.#round && !this.#closed) {
      this.#heard = false;
      try {
        await this.#visit(round);
      } catch (error) {
        if (round !== this.#round) return;
        if (this.noticed(error)) return;
        this.#reach = 'unreachable';
        this.#problem = toBridgeError(error);
        this.#tell();
      }
      if (round !== this.#round) return;
      // A gateway that lets us in and says nothing is asked less and less often, too.
      if (this.#heard) delayMs = retryDelayMs;
      await this.#pause(delayMs);
      delayMs = Math.min(delayMs * 2, retryDelayMsMax);
    }
  }

  /** One stretch of being connected. Returns or throws when it is over. */
  async #visit(round: number): Promise<void> {
    const { state } = this.#options;
    const url = this.#url;
    const trust = this.#trust;
    if (url === undefined || trust === undefined) return;
    this.#info = await this.#readInfo(url, trust);
    if (round !== this.#round) return;
    const signIn = await state.signIn(url).catch(() => undefined);
    if (round !== this.#round) return;
    if (signIn?.tokens === undefined || this.#isOver(signIn.tokens)) return this.#look();
    const gateway =
      this.#gateway ??
      (await openGateway(url, {
        state,
        lineage: await requestLineage(state, 'Throughline'),
        recorder: this.#options.recording.recorder,
      }));
    if (round !== this.#round) {
      if (gateway !== this.#gateway) gateway.close();
      return;
    }
    const fresh = this.#gateway === undefined;
    this.#gateway = gateway;
    await this.#readWho(gateway);
    if (round !== this.#round) return;
    this.#reachable();
    if (fresh) this.#options.begun(gateway);
    else this.#options.recording.reached();
    return this.#listen(gateway, round);
  }

  /** Nobody is signed in: the gateway is there, and is asked again after a while. */
  async #look(): Promise<void> {
    if (this.#gateway !== undefined) {
      // Another program of this device has signed out.
      await this.#options.ended('signed-out').catch(() => undefined);
      this.#forget();
    }
    this.#reachable();
    this.#heard = true;
    await this.#pause(serviceLimits.lookIntervalMs);
  }

  /** INVARIANT: tokens that the gateway has refused are not used again; new ones, also another program's, are. */
  #isOver({ principal, accessToken }: { principal: string; accessToken: string }): boolean {
    const over = this.#over;
    if (over === undefined || over.principal !== principal) return false;
    over.accessToken ??= accessToken;
    return over.accessToken === accessToken;
  }

  async #readInfo(url: string, trust: Trust): Promise<GatewayInfo> {
    const transport = createTransport(url, trust);
    try {
      return await gatewayInfo(transport);
    } finally {
      transport.close();
    }
  }

  async #readWho(gateway: Gateway): Promise<void> {
    this.#who = await api.whoami(gateway);
    const settings = await this.#options.state.settings();
    this.#storage = settings.storage ?? 'file';
    const digest = this.#noticeDigest();
    this.#noticeUnread = digest !== undefined && !settings.noticesRead.includes(digest);
  }

  /** A notice that says something else than the one that was read has to be read again. */
  #noticeDigest(): string | undefined {
    const notice = this.#info?.notice;
    if (notice === undefined || this.#who === undefined) return undefined;
    const text = JSON.stringify([this.#url, this.#who.principal, notice]);
    return createHash('sha256').update(text).digest('base64url').slice(0, 32);
  }

  /** Reads the gateway's feed. A silent gateway is one that is gone: its sockets may not say so for minutes. */
  async #listen(gateway: Gateway, round: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const feed = api.live(gateway);
    const silent = (): void => feed.abort();
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(silent, serviceLimits.beatSilenceMsMax);
    };
    this.#wake = () => feed.abort();
    let isOpen = false;
    try {
      heard();
      for await (const item of feed.items) {
        if (round !== this.#round) return;
        // What happened before the feed was open is read; what happens from its first line on is told. Never neither.
        if (!isOpen) this.#options.emit('resync', {});
        isOpen = true;
        this.#heard = true;
        heard();
        await this.#hear(item, gateway);
      }
    } finally {
      clearTimeout(timer);
      feed.abort();
    }
  }

  async #hear(item: LiveItem, gateway: Gateway): Promise<void> {
    const { emit } = this.#options;
    switch (item.kind) {
      case 'beat': {
        const skewMs = Date.now() - Date.parse(item.at);
        const told = this.#clockSkewMs;
        if (told !== undefined && Math.abs(told - skewMs) <= 1000) return;
        this.#clockSkewMs = skewMs;
        return this.#tell();
      }
      case 'session':
        this.endings.heard(item.session, this.#who?.principal);
        return emit('session.changed', item.session);
      case 'statement':
        return emit('statement.changed', { session: item.session, statement: item.statement });
      case 'agent':
        return emit('agent.changed', { at: item.at, change: item.change, node: item.node });
      case 'misuse':
        return emit('notice', misuseNotice(item));
      case 'rights':
        await this.#readWho(gateway);
        this.#tell();
        return emit('connections.changed', {});
      case 'resync':
        return emit('resync', {});
    }
  }

  #reachable(): void {
    this.#reach = 'connected';
    this.#problem = undefined;
    this.#tell();
  }

  /** Whether the error says that nobody is signed in any more; then that is the state from now on. */
  noticed(cause: unknown): boolean {
    if (!(cause instanceof ThroughlineError) || cause.code !== 'not-signed-in') return false;
    if (this.#gateway === undefined) return false;
    const { emit } = this.#options;
    this.#over = { principal: this.#gateway.principal, accessToken: undefined };
    void this.#options.ended('signed-out').catch(() => undefined);
    this.#forget();
    this.#follow();
    emit('notice', {
      level: 'warning',
      title: 'Signed out',
      text: 'The gateway has ended this sign-in: it expired, or an admin revoked it. Sign in again to go on.',
    });
    return true;
  }

  async #pause(ms: number): Promise<void> {
    const waiting = new AbortController();
    this.#wake = () => waiting.abort();
    await sleep(ms, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined);
    this.#wake = undefined;
  }

  #tell(): void {
    if (!this.#closed) this.#options.emit('app.changed', this.appState());
  }

  /** The host puts its own part over this one. */
  appState(): AppState {
    const { version, platform } = this.#options.facts;
    const gateway = this.#gatewayState();
    return {
      host: 'browser',
      hostReason: '',
      version,
      platform,
      agent: 'running',
      signIn: this.#signInState(),
      ...(gateway === undefined ? {} : { gateway, ...this.#options.recording.state() }),
    };
  }

  #gatewayState(): GatewayState | undefined {
    if (this.#url === undefined) return undefined;
    const info = this.#info;
    return {
      url: this.#url,
      demo: info?.demo ?? false,
      reach: this.#reach,
      ...(info === undefined ? {} : { name: info.name, version: info.version, logKey: info.logKey }),
      ...(info?.notice === undefined ? {} : { notice: info.notice }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...(this.#clockSkewMs === undefined ? {} : { clockSkewMs: this.#clockSkewMs }),
    };
  }

  #signInState(): SignInState {
    if (this.#pending !== undefined) return { state: 'pending', url: this.#pending.url };
    const who = this.#who;
    if (who === undefined) return { state: 'signed-out' };
    return {
      state: 'signed-in',
      principal: who.principal,
      groups: who.groups,
      may: who.may ?? [],
      deviceKey: who.deviceKey,
      storage: this.#storage,
      noticeUnread: this.#noticeUnread,
    };
  }
}
