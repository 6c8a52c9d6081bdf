import { X509Certificate } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { generateLogKey, loadLogKey } from '../audit/keys.js';
import { tlsServerEndPoint } from '../codec/postgres/certificate.js';
import { loadFirstParser, loadParser } from '../codec/postgres/statement/index.js';
import type { GatewayInfo } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import { Detector } from '../contract/masks.js';
import { createIdentity, type Identity, IdentityConfig } from '../identity/index.js';
import { createValueMasker } from '../masking/value-masker.js';
import { loadPolicyEngine } from '../policy/index.js';
import { hostIdentity } from '../proxy/ssh/host-identity.js';
import { openJournal } from '../store/journal/journal.js';
import { type Keys, openKeys } from '../store/keys.js';
import { openSecret, resolveReference, sealSecret } from '../store/secrets.js';
import { openState, type State } from '../store/state.js';
import { AgentTree } from './agent-tree.js';
import { createApi } from './api.js';
import { Attachments } from './attachments.js';
import { configuredCertificate, gatewayCertificate, type ServerCertificate } from './certificates.js';
import { type GatewayConfig, isLoopback, parseEndpoint } from './config.js';
import { ConnectionRegistry, type SecretsPort } from './connections.js';
import { claimDataDirectory, type GatewayDirectories, gatewayDirectories } from './data-directory.js';
import { Demo } from './demo/demo.js';
import { demoAccounts } from './demo/identity-provider/accounts.js';
import { HostKeyPins } from './host-keys.js';
import { compareKeptCheckpoint, keepCheckpoint } from './kept-checkpoint.js';
import { listenApi } from './listeners.js';
import { LiveFeed } from './live-feed.js';
import { endSessionsBelow, LiveSessions } from './live-sessions.js';
import { nativeListeners } from './native-listeners.js';
import { PolicyRegistry } from './policies.js';
import { type GatewayRecorder, gatewayRecorder } from './recorder.js';
import { recordingNotice } from './recording-notice.js';
import { keepRetention } from './retention.js';
import { RevokedNodes } from './revoked-nodes.js';
import { type Sealer, startSealer } from './sealer/index.js';
import { SessionIds } from './session-ids.js';
import { SessionServer } from './sessions.js';
import { keepSignIns } from './sign-ins.js';
import { DesktopRecords } from './spool/desktop-records.js';
import { version } from './version.js';
import { Watches } from './watch/watches.js';

export interface GatewayOptions {
  readonly demo: boolean;
  readonly config: GatewayConfig;
  readonly data?: string | undefined;
  readonly keys?: string | undefined;
  readonly listen?: { readonly host: string; readonly port: number };
  /** One line of JSON for the operator. */
  readonly log: (line: string) => void;
}

export interface ComposedGateway {
  readonly ready: {
    readonly url: string;
    readonly ca: string;
    readonly listeners: Readonly<Record<string, string>>;
    readonly demoSecret?: string;
  };
  close(): Promise<void>;
  readonly closed: Promise<void>;
}

interface Rooms {
  readonly identity: Identity;
  readonly sessions: SessionServer;
  readonly app: ReturnType<typeof createApi>;
}

const defaultListen = { host: '127.0.0.1', port: 7443 };
/** How long closing waits for sessions to say goodbye. */
const closingTimeoutMs = 5000;
/** How often a journal that failed is asked whether the disk takes writes again. */
const journalRetryMs = 1000;
/** How often the latest checkpoint is put into the state database. */
const checkpointKeptMs = 30_000;
/** What nobody waits for yet is loaded this long after the start: it would hold up the line that says so. */
const warmUpAfterMs = 200;
/**
 * Left alone, V8 optimises Cedar and the parser on four threads at once, which on two cores takes the processor from
 * this one while it starts: a third of the start. Later one thread does as well.
 */
const oneWasmCompiler = '--wasm-num-compilation-tasks=1';
/**
 * The V8 of Node 20 ends the whole process ("unreachable code", in Deoptimizer::DoComputeBuiltinContinuation) when it
 * takes back optimised code in the middle of a call into WebAssembly that it had inlined there: the parser and Cedar
 * under load, with statements of some 16 kB. Such calls are not worth inlining here.
 */
const noInlinedWasm = '--no-turbo-inline-js-wasm-calls';

/** Puts the rooms together, in the order in which they need each other, and takes them apart in the opposite one. */
export async function startComposed(options: GatewayOptions): Promise<ComposedGateway> {
  const { config, demo: isDemo } = options;
  const directories = gatewayDirectories({
    ...(options.data === undefined ? {} : { data: options.data }),
    ...(options.keys === undefined ? {} : { keys: options.keys }),
    demo: isDemo,
  });
  const listen =
    options.listen ?? (config.listen === undefined ? defaultListen : parseEndpoint(config.listen));
  if (isDemo && !isLoopback(listen.host)) {
    throw new ThroughlineError('usage', 'a demo listens on loopback only: everybody knows its passwords', {
      action: 'leave --listen out, or start a real gateway without --demo',
    });
  }
  const undo: (() => Promise<void> | void)[] = [];
  const unwind = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    return await compose(options, directories, listen, undo);
  } catch (error) {
    await unwind();
    throw error;
  }
}

async function compose(
  options: GatewayOptions,
  directories: GatewayDirectories,
  listen: { host: string; port: number },
  undo: (() => Promise<void> | void)[],
): Promise<ComposedGateway> {
  const { config, demo: isDemo, log } = options;
  const now = () => Date.now();
  setFlagsFromString(oneWasmCompiler);
  setFlagsFromString(noInlinedWasm);
  // Compiled in the background; awaited below, with its error.
  loadFirstParser().catch(() => undefined);
  const claimed = claimDataDirectory(directories.data, isDemo);
  undo.push(() => claimed.release());
  const keys = await openKeys(directories.keys, { dataDirectory: directories.data });
  // Two threads open state and sealer while this one makes the certificate, loads Cedar and loads the parser.
  const openingState = undone(undo, openState({ directory: directories.data }), (each) => each.close());
  const certificate = await certificateFor(config, directories, listen.host);
  const journalDirectory = join(directories.data, 'journal');
  const ca = join(directories.data, 'ca.pem');
  replaceFile(ca, certificate.caPem);

  const logKey = logKeyOf(
    directories.keys,
    config.logOrigin ?? `throughline-${certificate.fingerprint.slice(0, 16)}/log`,
  );
  // The sealer reads what the journal writes, and is asked first how far it came.
  mkdirSync(journalDirectory, { recursive: true, mode: 0o700 });
  const startingSealer = startSealer({
    dataDirectory: directories.data,
    journalDirectory,
    journalKey: keys.derive('journal'),
    recordingKey: keys.derive('recording'),
    logKeyFile: join(directories.keys, 'log.key'),
    logOrigin: logKey.name,
    onComplaint: (what: string) =>
      log(JSON.stringify({ at: new Date().toISOString(), level: 'error', what })),
  });
  const secrets = secretsPort(keys, config);
  const record = (event: Parameters<GatewayRecorder['record']>[0]) => recorder.record(event);
  const [sealer, { state, connections, policies }] = await Promise.all([
    undone(undo, startingSealer, (each) => each.close()),
    registriesOf(openingState, { secrets, record, now }),
    loadPolicyEngine(),
    loadFirstParser(),
  ]);
  await compareKeptCheckpoint(state.database, await sealer.checkpoint());
  const journal = await openJournal({
    directory: journalDirectory,
    key: keys.derive('journal'),
    node: nodeName(certificate),
    nowMs: now,
    minimumPosition: sealer.journalPosition,
  });
  undo.push(() => journal.close());
  sealer.onSealed((position) => journal.released(position));
  const recovering = setInterval(() => {
    if (journal.failed !== undefined)
      journal.recover().catch((error: unknown) => recorder.complain('the journal did not recover', error));
  }, journalRetryMs);
  undo.push(() => clearInterval(recovering));
  const remember = async () => keepCheckpoint(state.database, await sealer.checkpoint());
  const remembering = setInterval(() => {
    remember().catch((error: unknown) => recorder.complain('the checkpoint could not be remembered', error));
  }, checkpointKeptMs);
  undo.push(() => clearInterval(remembering));

  const ownTexts = createValueMasker({
    rules: [{ detect: [...Detector.options], with: 'redact' }],
    hashKey: keys.derive('hash-masks'),
  });
  let tree: AgentTree | undefined;
  let desktops: DesktopRecords | undefined;
  const feed = new LiveFeed(now, () => policies.current.usesTime);
  const watches = new Watches({ recorder: () => recorder, journal, sealer, feed, now });
  undo.push(() => watches.close());
  const recorder = gatewayRecorder({
    journal,
    tap: watches.tap,
    heard: (event, kept) => {
      if (kept) feed.hear(event);
      else feed.missed(event);
      watches.hear(event, kept);
      tree?.hear(event);
      desktops?.hear(event);
    },
    maskText: (text) => ownTexts.maskText(text).text,
    log,
  });
  await endUnfinished(sealer, recorder);
  await recorder.record({ kind: 'gateway.started', version, demo: isDemo });

  desktops = new DesktopRecords({
    dataDirectory: directories.data,
    keys: { spool: keys.derive('spool'), ids: keys.derive('session-ids') },
    bytesPerDeviceMax: config.spool.bytesPerDeviceMax,
    waitMs: config.spool.waitMinutes * 60_000,
    logKey: logKey.vkey,
    sealer,
    state: state.database,
    recorder,
    now,
  });
  undo.push(() => desktops?.close());
  const live = new LiveSessions();
  const demo = isDemo ? new Demo(directories.data, directories.demoTarget) : undefined;
  if (demo !== undefined) undo.push(() => demo.close());
  if (demo !== undefined) await demo.seed(connections, policies);
  await applyConfig(config, connections, policies);

  // The API's address is part of the identity room's issuer, so the listener comes first; until all is there it is busy.
  let rooms: Rooms | undefined;
  const ready = (): Rooms => {
    if (rooms !== undefined) return rooms;
    throw new ThroughlineError('busy', 'the gateway is starting', { action: 'try again in a moment' });
  };
  const api = await listenApi({
    ...listen,
    certificate,
    app: () => ready().app,
    identity: () => ready().identity,
    sessions: () => ready().sessions,
    recorder,
  });
  undo.push(() => api.close());

  const url = config.externalUrl ?? `https://${hostForUrl(listen.host)}:${api.port}`;
  const revoked = new RevokedNodes(state.database, now);
  await revoked.load();
  const identity = createIdentity({
    config: await identitySettings(config, secrets),
    state: state.database,
    clock: now,
    issuerUrl: new URL(url).origin,
    demo: demo === undefined ? undefined : { secret: demo.secret(), accounts: demoAccounts },
    record,
    sealer: secrets,
    isRevoked: (node) => revoked.has(node),
  });
  await identity.delegations.load();
  await identity.checks.load();
  tree = new AgentTree({ delegations: identity.delegations, live, now });
  const attachments = new Attachments({
    delegations: identity.delegations,
    complain: (what, error) => recorder.complain(what, error),
  });
  undo.push(() => attachments.close());
  const sshIdentity = hostIdentity(keys.derive('ssh-host'));
  const sessions = new SessionServer({
    identity,
    connections,
    policies,
    live,
    recorder,
    ids: new SessionIds(keys.derive('session-ids')),
    watch: desktops.watch,
    tls: {
      context: createSecureContext({
        cert: certificate.certificatePem,
        key: certificate.keyPem,
        minVersion: 'TLSv1.2',
      }),
      binding: tlsServerEndPoint(new X509Certificate(certificate.certificatePem).raw),
    },
    keys: {
      maskHash: keys.derive('hash-masks'),
      salt: keys.derive('salts'),
      mock: keys.derive('scram-mock'),
    },
    ssh: {
      identity: sshIdentity,
      pins: new HostKeyPins(state.database, recorder, now),
      gatewayHosts: () => [new URL(url).hostname, listen.host].filter((each) => !isLoopback(each)),
    },
    beforeDial: async (connection) => demo?.address(connection, connections),
    isRevoked: (node) => revoked.has(node),
    overlapping: config.misuse.overlapping,
    now,
  });
  const native = await nativeListeners({ config, listen, sessions: () => sessions, recorder });
  undo.push(() => native.close());
  const listeners: Record<string, string> = {};
  for (const [name, { host, port }] of native.listeners) listeners[name] = `${hostForUrl(host)}:${port}`;
  const info: GatewayInfo = {
    name: logKey.name,
    version,
    demo: isDemo,
    issuer: new URL(url).origin,
    logKey: logKey.vkey,
    listeners,
    ssh: { hostKeys: [sshIdentity.publicLine] },
  };
  const rightsChanged = (): void => {
    feed.rightsChanged();
    watches.rightsChanged();
  };
  policies.onChange(rightsChanged);
  connections.onChange(rightsChanged);
  undo.push(identity.onSignInEnded((signIn) => watches.signInEnded(signIn)));
  const app = createApi({
    info: () => ({
      ...info,
      notice: recordingNotice(connections.list(), config.retention?.recordings, isDemo),
    }),
    identity,
    connections,
    policies,
    live,
    feed,
    watches,
    tree,
    attachments,
    revoked,
    recorder,
    sealer,
    retentionMs: config.retention?.recordings,
    places: {
      recordingsDirectory: join(directories.data, 'recordings'),
      recordingKey: keys.derive('recording'),
      logDirectory: join(directories.data, 'audit'),
    },
    desktops,
    now,
  });
  rooms = { identity, sessions, app };

  undo.push(keepSignIns({ identity, live, feed: { rightsChanged }, recorder }));
  identity.delegations.onEnded((ended) => void endSessionsBelow(live, ended));
  const retentionMs = config.retention?.recordings;
  if (retentionMs !== undefined)
    undo.push(keepRetention({ sealer, spool: desktops.spool, retentionMs, recorder, now }));
  const warmingUp = setTimeout(() => {
    loadParser().catch((error: unknown) => recorder.complain('the spare parser did not load', error));
    sessions.warmUp().catch((error: unknown) => recorder.complain('SSH did not load', error));
    demo
      ?.startProvider(identity, { url, ca: certificate.caPem })
      .catch((error: unknown) => recorder.complain('the demo identity provider did not start', error));
  }, warmUpAfterMs);
  undo.push(() => clearTimeout(warmingUp));

  let finish: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let closing: Promise<void> | undefined;
  const close = async () => {
    await Promise.race([
      live.end(() => true, 'fault', 'the gateway is stopping'),
      new Promise((resolve) => setTimeout(resolve, closingTimeoutMs).unref()),
    ]);
    await recorder.record({ kind: 'gateway.stopped' }).catch(() => undefined);
    await sealer
      .caughtUp()
      .then(remember)
      .catch(() => undefined);
    // Listeners first, then what they use; the sealer seals what the journal still holds.
    for (const step of undo.reverse()) await step();
    finish();
  };
  return {
    ready: { url, ca, listeners, ...(demo === undefined ? {} : { demoSecret: demo.secretFile }) },
    close: () => {
      closing ??= close();
      return closing;
    },
    closed,
  };
}

/** Has `started` taken apart again by `close`, also when something else fails before it is there. */
function undone<T>(
  undo: (() => Promise<void> | void)[],
  started: Promise<T>,
  close: (value: T) => Promise<void>,
): Promise<T> {
  // What it fails with is told where it is awaited, which may be later.
  started.catch(() => undefined);
  undo.push(() => started.then(close, () => undefined));
  return started;
}

async function registriesOf(
  opening: Promise<State>,
  rooms: { secrets: SecretsPort; record: GatewayRecorder['record']; now: () => number },
) {
  const state = await opening;
  const connections = new ConnectionRegistry({ state: state.database, ...rooms });
  await connections.load();
  const policies = await PolicyRegistry.load({ state: state.database, ...rooms });
  return { state, connections, policies };
}

async function certificateFor(
  config: GatewayConfig,
  directories: GatewayDirectories,
  host: string,
): Promise<ServerCertificate> {
  if (config.tls !== undefined) return configuredCertificate(config.tls);
  const external = config.externalUrl === undefined ? [] : [new URL(config.externalUrl).hostname];
  const listening = /^(0\.0\.0\.0|::)$/.test(host) ? [] : [host];
  return gatewayCertificate(
    directories.keys,
    ['localhost', '127.0.0.1', '::1', ...listening, ...external],
    Date.now(),
  );
}

function logKeyOf(keysDirectory: string, origin: string) {
  const file = join(keysDirectory, 'log.key');
  try {
    return loadLogKey({ file, origin });
  } catch (error) {
    if (error instanceof ThroughlineError && error.code === 'not-found')
      return generateLogKey({ file, origin });
    throw error;
  }
}

/** Short, stable for one installation, and no name of a machine. */
function nodeName(certificate: ServerCertificate): string {
  return `gw-${certificate.fingerprint.slice(0, 12)}`;
}

function secretsPort(keys: Keys, config: GatewayConfig): SecretsPort {
  const key = keys.derive('secrets');
  const allow = { env: config.references.env, files: config.references.files };
  return {
    seal: (plain, context) => sealSecret(key, plain, context),
    open: (sealed, context) => openSecret(key, sealed, context),
    resolve: (reference) => resolveReference(reference, allow),
  };
}

async function identitySettings(config: GatewayConfig, secrets: SecretsPort) {
  const parsed = IdentityConfig.parse({
    providers: config.identityProviders,
    bootstrapAdmin: config.bootstrapAdmin,
    workloadIssuers: config.workloadIssuers,
    misuse: config.misuse,
  });
  const providers = [];
  for (const provider of parsed.providers) {
    providers.push({ ...provider, clientSecret: await secrets.resolve(provider.clientSecret) });
  }
  return { ...parsed, providers };
}

async function applyConfig(
  config: GatewayConfig,
  connections: ConnectionRegistry,
  policies: PolicyRegistry,
): Promise<void> {
  if (config.connections.length > 0) await connections.put(config.connections, 'gateway/config');
  if (config.policies !== undefined && config.policies !== policies.current.text) {
    await policies.put(config.policies, 'gateway/config');
  }
}

/** After a crash: what ran has no end in the log. It gets one before anything else happens. */
async function endUnfinished(sealer: Sealer, recorder: GatewayRecorder): Promise<void> {
  for (const { events } of await sealer.unfinishedSessions()) {
    for (const event of events) await recorder.record(event);
  }
}

function hostForUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}
