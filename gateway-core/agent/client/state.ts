import { join } from 'node:path';
import { z } from 'zod';
import { ThroughlineError } from '../../contract/errors.js';
import { DeviceJwk, sha256 } from './dpop.js';
import { type ClientHome, clientHome } from './home.js';
import { type Keyring, systemKeyring } from './keyring.js';
import { clientLimits } from './limits.js';
import { withLock } from './lock.js';
import { privateDirectory, readPrivate, removePrivate, writePrivate } from './private-files.js';
import { type SealingKeys, seal, sealingKeys, unseal } from './seal.js';
import { Trust } from './trust.js';

/** What this device holds for one gateway. Kept sealed. The device key outlives the tokens: it names the device. */
export const SignIn = z.object({
  v: z.literal(1),
  gateway: z.string(),
  deviceKey: DeviceJwk,
  tokens: z
    .object({
      accessToken: z.string(),
      refreshToken: z.string().optional(),
      principal: z.string(),
      /** Milliseconds since 1970, by this machine's clock. */
      expiresAtMs: z.number(),
      renewAtMs: z.number(),
    })
    .optional(),
});
export type SignIn = z.infer<typeof SignIn>;

/** Plain settings: nothing in here is secret, but whoever could change it could redirect a sign-in. */
export const Settings = z.object({
  v: z.literal(1),
  /** The gateway of the last sign-in. */
  gateway: z.string().optional(),
  storage: z.enum(['keyring', 'file']).optional(),
  /** `logKey`: C2SP verifier key of the gateway's log, as it was the first time. */
  gateways: z.record(z.string(), z.object({ trust: Trust, logKey: z.string().max(1024).optional() })),
  /** The local port of each connection's last tunnel, by gateway and name. */
  ports: z.record(z.string(), z.number().int().min(1).max(65_535)).default({}),
  /** Agent programs that this person knows besides the built-in list, as lineage/programs.ts takes them. */
  agents: z
    .array(z.object({ name: z.string().min(1).max(64), match: z.array(z.string().min(1).max(128)).max(32) }))
    .max(256)
    .default([]),
  /** `never`: tunnels look up nobody, as where the platform cannot. Each has a password then, and says `unattributed`. */
  lookUp: z.literal('never').optional(),
  /** What uploads of this device's own record may take of the line. */
  uploadBytesPerSecond: z
    .number()
    .int()
    .min(16 * 1024)
    .optional(),
  /** Recording notices that were read on this device, each by a digest of who read what where. */
  noticesRead: z.array(z.string().max(64)).default([]),
  /** Gateways that `throughline up` runs on this machine: paths, never contents. */
  local: z.record(z.string(), z.object({ ca: z.string(), demoSecret: z.string().optional() })),
});
export type Settings = z.infer<typeof Settings>;

const noSettings: Settings = { v: 1, gateways: {}, ports: {}, local: {}, agents: [], noticesRead: [] };

/** Reads and writes what the client keeps. Every method checks owner and mode of what it touches. */
export interface ClientState {
  readonly home: ClientHome;
  settings(): Promise<Settings>;
  /** One process at a time. */
  changeSettings(change: (settings: Settings) => Settings): Promise<void>;
  /** undefined when there is none. @throws ThroughlineError not-signed-in when it cannot be opened */
  signIn(gateway: string): Promise<SignIn | undefined>;
  /**
   * `fresh` (a new sign-in): makes a sealing key where there is none or the keyring that holds it is silent.
   * Without it the key that sealed the sign-in before must still be there. @throws ThroughlineError not-signed-in
   */
  saveSignIn(signIn: SignIn, fresh?: 'fresh'): Promise<void>;
  /** Removes what is kept for a gateway, device key included. */
  forgetSignIn(gateway: string): Promise<void>;
  /** Seals text of this device under the key that seals the sign-ins; `name` is bound in. Undefined: there is no key yet. */
  seal(name: string, text: string): Promise<Buffer | undefined>;
  /** Undefined when it cannot be opened here. */
  unseal(name: string, bytes: Buffer): Promise<string | undefined>;
  /** Runs `work` while no other process renews or replaces the sign-in at this gateway. */
  locked<T>(gateway: string, work: () => Promise<T>): Promise<T>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Opens nothing yet: files are read when a method needs them. */
export function openState(env: Environment = process.env, keyring?: Keyring): ClientState {
  const home = clientHome(env);
  const keys = sealingKeys(home, keyring ?? systemKeyring(env));
  const state: ClientState = {
    home,
    settings: () => readSettings(home),
    changeSettings: (change) =>
      inDirectory(home, () =>
        withLock(join(home.state, 'settings.lock'), () => rewriteSettings(home, change)),
      ),
    signIn: (gateway) => readSignIn(state, keys, gateway),
    saveSignIn: (signIn, fresh) => saveSignIn(state, keys, signIn, fresh),
    forgetSignIn: (gateway) => removePrivate(join(home.state, `${signInName(gateway)}.sealed`)),
    seal: async (name, text) => {
      const key = await keptKey(state, keys);
      return key === undefined ? undefined : seal(key, name, text);
    },
    unseal: async (name, bytes) => {
      const key = await keptKey(state, keys);
      return key === undefined ? undefined : unseal(key, name, bytes);
    },
    locked: (gateway, work) =>
      inDirectory(home, () => withLock(join(home.state, `${signInName(gateway)}.lock`), work)),
  };
  return state;
}

function signInName(gateway: string): string {
  return `sign-in-${sha256(gateway).slice(0, 22)}`;
}

async function inDirectory<T>(home: ClientHome, work: () => Promise<T>): Promise<T> {
  privateDirectory(home.state);
  return work();
}

async function readSettings(home: ClientHome): Promise<Settings> {
  const path = join(home.state, 'settings.json');
  const bytes = readPrivate(path);
  if (bytes === undefined) return noSettings;
  try {
    return Settings.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new ThroughlineError('invalid-config', `${path} cannot be read as settings`, {
      action: 'remove it and sign in again',
      cause,
    });
  }
}

async function rewriteSettings(home: ClientHome, change: (settings: Settings) => Settings): Promise<void> {
  const next = change(await readSettings(home));
  const bounded = {
    ...next,
    gateways: newest(next.gateways),
    ports: newest(next.ports),
    local: newest(next.local),
    noticesRead: next.noticesRead.slice(-clientLimits.rememberedMax),
  };
  await writePrivate(join(home.state, 'settings.json'), `${JSON.stringify(bounded, null, 2)}\n`);
}

/** Objects keep insertion order: the last ones are the newest. */
function newest<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).slice(-clientLimits.rememberedMax));
}

function unopenable(cause?: unknown): ThroughlineError {
  return new ThroughlineError('not-signed-in', 'the kept sign-in cannot be opened', {
    action: 'run `throughline login` again',
    cause,
  });
}

async function readSignIn(
  state: ClientState,
  keys: SealingKeys,
  gateway: string,
): Promise<SignIn | undefined> {
  const name = signInName(gateway);
  const bytes = readPrivate(join(state.home.state, `${name}.sealed`));
  if (bytes === undefined) return undefined;
  const key = await keptKey(state, keys);
  const text = key === undefined ? undefined : unseal(key, name, bytes);
  if (text === undefined) throw unopenable();
  try {
    const signIn = SignIn.parse(JSON.parse(text));
    if (signIn.gateway === gateway) return signIn;
  } catch (cause) {
    throw unopenable(cause);
  }
  throw unopenable();
}

async function saveSignIn(
  state: ClientState,
  keys: SealingKeys,
  signIn: SignIn,
  fresh?: 'fresh',
): Promise<void> {
  privateDirectory(state.home.state);
  const name = signInName(signIn.gateway);
  const key = fresh === 'fresh' ? await keyForFresh(state, keys) : await keptKey(state, keys);
  if (key === undefined) throw unopenable();
  await writePrivate(join(state.home.state, `${name}.sealed`), seal(key, name, JSON.stringify(signIn)));
}

async function keptKey(state: ClientState, keys: SealingKeys): Promise<Buffer | undefined> {
  const { storage } = await state.settings();
  return storage === undefined ? undefined : keys.read(storage);
}

async function keyForFresh(state: ClientState, keys: SealingKeys): Promise<Buffer> {
  const kept = await keptKey(state, keys).catch((error: unknown) => {
    if (error instanceof ThroughlineError && error.code === 'not-signed-in') return undefined;
    throw error;
  });
  if (kept !== undefined) return kept;
  const made = await keys.create();
  await state.changeSettings((settings) => ({ ...settings, storage: made.storage }));
  return made.key;
}
