import {
  chmod,
  chown,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDeviceJwk, deviceKey } from '../../../gateway-core/agent/client/dpop.js';
import { clientHome } from '../../../gateway-core/agent/client/home.js';
import type { Keyring } from '../../../gateway-core/agent/client/keyring.js';
import { clientLimits } from '../../../gateway-core/agent/client/limits.js';
import { withLock } from '../../../gateway-core/agent/client/lock.js';
import { seal, unseal } from '../../../gateway-core/agent/client/seal.js';
import { type ClientState, openState, type SignIn } from '../../../gateway-core/agent/client/state.js';
import { asRoot, remove, temporaryHome } from './support.js';

const gateway = 'https://127.0.0.1:7443';
let home: string;
let env: Record<string, string>;
let state: ClientState;
let signIn: SignIn;

beforeEach(async () => {
  ({ home, env, state } = await temporaryHome());
  signIn = {
    v: 1,
    gateway,
    deviceKey: createDeviceJwk(),
    tokens: { accessToken: 'a', refreshToken: 'r', principal: 'demo/x', expiresAtMs: 1, renewAtMs: 1 },
  };
});
afterEach(() => remove(home));

async function sealedFile(): Promise<string> {
  const names = await readdir(join(home, 'client'));
  return join(home, 'client', names.find((name) => name.endsWith('.sealed')) ?? 'none');
}

describe('the sign-in on disk', () => {
  test('what was saved is read back, and files and directories are for their owner only', async () => {
    await state.saveSignIn(signIn, 'fresh');
    expect(await state.signIn(gateway)).toEqual(signIn);
    expect((await state.settings()).storage).toBe('file');
    for (const path of [await sealedFile(), join(home, 'client-key', 'seal.key')]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
    for (const path of ['client', 'client-key']) {
      expect((await stat(join(home, path))).mode & 0o777).toBe(0o700);
    }
  });

  test('the sealing key does not stand in the directory that it opens', async () => {
    await state.saveSignIn(signIn, 'fresh');
    const key = await readFile(join(home, 'client-key', 'seal.key'));
    for (const name of await readdir(join(home, 'client'))) {
      expect((await readFile(join(home, 'client', name))).includes(key)).toBe(false);
    }
  });

  test('a changed byte anywhere makes the sign-in unusable', async () => {
    await state.saveSignIn(signIn, 'fresh');
    const path = await sealedFile();
    const bytes = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        await writeFile(path, changed);
        await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'not-signed-in' });
      }),
      { numRuns: 60 },
    );
  });

  test('a truncated file is unusable, at every length', async () => {
    await state.saveSignIn(signIn, 'fresh');
    const path = await sealedFile();
    const bytes = await readFile(path);
    for (const length of [0, 1, 12, 13, 28, 29, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'not-signed-in' });
    }
  });

  test('the sealed sign-in of one gateway cannot stand in for another', async () => {
    await state.saveSignIn(signIn, 'fresh');
    const first = await sealedFile();
    const other = 'https://other.example';
    await state.saveSignIn({ ...signIn, gateway: other }, 'fresh');
    const names = (await readdir(join(home, 'client'))).filter((name) => name.endsWith('.sealed'));
    const second = names.map((name) => join(home, 'client', name)).find((path) => path !== first) ?? 'none';
    await copyFile(first, second);
    await expect(state.signIn(other)).rejects.toMatchObject({ code: 'not-signed-in' });
  });

  test('a lost key is a lost sign-in, and only a new sign-in makes a new key', async () => {
    await state.saveSignIn(signIn, 'fresh');
    await rm(join(home, 'client-key'), { recursive: true });
    await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'not-signed-in' });
    await expect(state.saveSignIn(signIn)).rejects.toMatchObject({ code: 'not-signed-in' });
    await state.saveSignIn(signIn, 'fresh');
    expect(await state.signIn(gateway)).toEqual(signIn);
  });
});

describe('files that cannot be trusted', () => {
  beforeEach(() => state.saveSignIn(signIn, 'fresh'));

  test('a sign-in that others may read is refused, with the command that closes it', async () => {
    const path = await sealedFile();
    await chmod(path, 0o640);
    await expect(state.signIn(gateway)).rejects.toMatchObject({
      code: 'invalid-config',
      action: expect.stringContaining('chmod 600') as string,
    });
  });

  test('settings that others may write are refused', async () => {
    await chmod(join(home, 'client', 'settings.json'), 0o622);
    await expect(state.settings()).rejects.toMatchObject({ code: 'invalid-config' });
  });

  test('a directory that others may enter is refused before anything is written', async () => {
    await chmod(join(home, 'client'), 0o755);
    await expect(state.saveSignIn(signIn)).rejects.toMatchObject({ code: 'invalid-config' });
    await chmod(join(home, 'client'), 0o700);
    await chmod(join(home, 'client-key'), 0o710);
    await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'invalid-config' });
  });

  test('a sealing key that others may read is refused', async () => {
    await chmod(join(home, 'client-key', 'seal.key'), 0o644);
    await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'invalid-config' });
  });

  test('a link in place of a file is not followed', async () => {
    const path = await sealedFile();
    await rename(path, join(home, 'elsewhere'));
    await symlink(join(home, 'elsewhere'), path);
    await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'invalid-config' });
  });

  asRoot?.('a file of another user is refused', async () => {
    await chown(await sealedFile(), 65_534, 65_534);
    await expect(state.signIn(gateway)).rejects.toMatchObject({ code: 'invalid-config' });
  });

  test('a settings file that is no settings file is named, not overwritten', async () => {
    const path = join(home, 'client', 'settings.json');
    for (const text of ['{"v":1', '[]', '{"v":2,"gateways":{},"local":{}}', 'x'.repeat(300_000)]) {
      await writeFile(path, text, { mode: 0o600 });
      await expect(state.settings()).rejects.toMatchObject({ code: 'invalid-config' });
      await expect(state.changeSettings((settings) => settings)).rejects.toMatchObject({
        code: 'invalid-config',
      });
      expect(await readFile(path, 'utf8')).toBe(text);
    }
  });
});

describe('the keyring', () => {
  /** A keyring in memory that can fall silent. */
  function fakeKeyring(): { keyring: Keyring; held: Map<string, string>; silence: { on: boolean } } {
    const held = new Map<string, string>();
    const silence = { on: false };
    const keyring: Keyring = async (request) => {
      if (silence.on) return { ok: false, reason: 'locked' };
      if (request.kind === 'set') held.set(request.account, request.secret);
      return { ok: true, value: request.kind === 'get' ? (held.get(request.account) ?? null) : null };
    };
    return { keyring, held, silence };
  }

  test('where there is one it holds the key, and no key file is written', async () => {
    const { keyring, held } = fakeKeyring();
    const kept = openState(env, keyring);
    await kept.saveSignIn(signIn, 'fresh');
    expect((await kept.settings()).storage).toBe('keyring');
    expect(await kept.signIn(gateway)).toEqual(signIn);
    expect(held.size).toBe(1);
    await expect(stat(join(home, 'client-key'))).rejects.toThrow();
  });

  test('a silent keyring is told as such: the sign-in is neither lost nor replaced', async () => {
    const { keyring, silence } = fakeKeyring();
    const kept = openState(env, keyring);
    await kept.saveSignIn(signIn, 'fresh');
    silence.on = true;
    await expect(kept.signIn(gateway)).rejects.toMatchObject({ code: 'not-signed-in' });
    await expect(kept.saveSignIn(signIn)).rejects.toMatchObject({ code: 'not-signed-in' });
    silence.on = false;
    expect(await kept.signIn(gateway)).toEqual(signIn);
  });

  test('a new sign-in while the keyring is silent goes into a file and says so', async () => {
    const { keyring, silence } = fakeKeyring();
    const kept = openState(env, keyring);
    await kept.saveSignIn(signIn, 'fresh');
    silence.on = true;
    await kept.saveSignIn(signIn, 'fresh');
    expect((await kept.settings()).storage).toBe('file');
    expect(await kept.signIn(gateway)).toEqual(signIn);
  });

  test('a keyring that forgets at once is not relied on', async () => {
    const kept = openState(env, async () => ({ ok: true, value: null }));
    await kept.saveSignIn(signIn, 'fresh');
    expect((await kept.settings()).storage).toBe('file');
  });
});

describe('sealing', () => {
  test('opens with the same key and name only', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (text, name, other) => {
        const key = Buffer.alloc(32, 1);
        const sealed = seal(key, name, text);
        expect(unseal(key, name, sealed)).toBe(Buffer.from(text).toString('utf8'));
        expect(unseal(Buffer.alloc(32, 2), name, sealed)).toBeUndefined();
        if (other !== name) expect(unseal(key, other, sealed)).toBeUndefined();
      }),
    );
  });

  test('two sealings of one text share nothing', () => {
    const key = Buffer.alloc(32, 1);
    expect(seal(key, 'n', 'text').equals(seal(key, 'n', 'text'))).toBe(false);
  });
});

describe('the lock', () => {
  test('lets one in at a time, in one process or several', async () => {
    await mkdir(join(home, 'client'), { recursive: true, mode: 0o700 });
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withLock(join(home, 'client', 'x.lock'), async () => {
          inside += 1;
          most = Math.max(most, inside);
          await sleep(5);
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(await readdir(join(home, 'client'))).toEqual([]);
  });

  test('is free again after its holder failed', async () => {
    const path = join(home, 'x.lock');
    await expect(withLock(path, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(withLock(path, () => Promise.resolve(7))).resolves.toBe(7);
  });

  test('of a process that died is taken over, by one of many who wait', async () => {
    const path = join(home, 'x.lock');
    await writeFile(path, '1 dead');
    const longAgo = new Date(Date.now() - clientLimits.lockSilenceMsMax - 1000);
    await utimes(path, longAgo, longAgo);
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(5);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 6 }, () => withLock(path, work)));
    expect(most).toBe(1);
  });
});

describe('the device key', () => {
  test('its thumbprint is that of RFC 7638', async () => {
    const { calculateJwkThumbprint } = await import('jose');
    const jwk = createDeviceJwk();
    expect(deviceKey(jwk).thumbprint).toBe(await calculateJwkThumbprint(jwk));
  });

  test('a proof never holds the private part, and no two proofs are equal', () => {
    const jwk = createDeviceJwk();
    const key = deviceKey(jwk);
    const proofs = [1, 2].map(() => key.prove({ method: 'GET', url: `${gateway}/a?b=c` }));
    expect(proofs[0]).not.toBe(proofs[1]);
    for (const proof of proofs) {
      const [header = '', payload = ''] = proof
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString());
      expect(`${header}${payload}`).not.toContain(jwk.d);
      expect((JSON.parse(payload) as { htu: string }).htu).toBe(`${gateway}/a`);
    }
  });
});

describe('the home', () => {
  test('is THROUGHLINE_HOME when set, else the XDG directories, and a relative one counts as unset', () => {
    expect(clientHome({ THROUGHLINE_HOME: '/t' })).toEqual({ state: '/t/client', keys: '/t/client-key' });
    const xdg = clientHome({ XDG_STATE_HOME: '/s', XDG_CONFIG_HOME: '/c' });
    expect(xdg).toEqual({ state: '/s/throughline', keys: '/c/throughline/client-key' });
    expect(clientHome({ XDG_STATE_HOME: 's' }).state).toMatch(/^\/.*\.local\/state\/throughline$/);
  });
});
