import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ReplayItem } from '../../../gateway-core/contract/api.js';
import type { BundleReport } from '../../../gateway-core/contract/evidence.js';
import { agentBundle, BundleWorld } from '../evidence/bundle-world.js';
import { run } from './run.js';

const world = new BundleWorld();
const directory = mkdtempSync(join(tmpdir(), 'verify-test-'));
afterAll(() => {
  world.close();
  rmSync(directory, { recursive: true });
});

const place = (name: string): string => join(directory, name);
const good = place('good.zip');
const bad = place('bad.zip');
let bundle: Awaited<ReturnType<typeof agentBundle>>;
beforeAll(async () => {
  bundle = await agentBundle(world);
  writeFileSync(good, bundle.zip);
  const changed = Buffer.from(bundle.zip);
  const at = changed.indexOf('context.ndjson') + 20;
  changed.fill(0x2a, at, at + 10);
  writeFileSync(bad, changed);
});

const report = (ran: { json: () => unknown }): BundleReport => ran.json() as BundleReport;

describe('throughline verify', () => {
  it('needs no gateway and no sign-in, and says in words what is proved, what is not, and by which key', async () => {
    const ran = await run(['verify', good]);
    expect([ran.status, ran.err]).toEqual([0, '']);
    expect(ran.out).toContain(`${good} holds: 3 sessions, 56 entries of the audit log`);
    expect(ran.out).toContain('  proved: the events of 3 sessions with 21 statements');
    expect(ran.out).toContain("  not proved: that the key is the gateway's");
    expect(ran.out.trimEnd().split('\n').at(-1)).toBe(`  key ${world.key.fingerprint}`);
  });

  it('--json gives the report that scripts rely on', async () => {
    const { ok, entries, sessions, problems, keyFingerprint } = report(await run(['verify', good, '--json']));
    expect({ ok, entries, sessions, problems, keyFingerprint }).toEqual({
      ok: true,
      entries: 56,
      sessions: 3,
      problems: [],
      keyFingerprint: world.key.fingerprint,
    });
  });

  it('takes the published key as text, as file and by its fingerprint, and then does not ask to compare it', async () => {
    writeFileSync(place('gateway.vkey'), `${world.key.vkey}\n`);
    for (const key of [world.key.vkey, place('gateway.vkey'), world.key.fingerprint]) {
      const ran = report(await run(['verify', good, '--key', key, '--json']));
      expect([key, ran.ok, ran.notProved.some((line) => line.includes('that the key'))]).toEqual([
        key,
        true,
        false,
      ]);
    }
  });

  it('another key than the one that signed is exit status 5, no key at all is 2', async () => {
    const other = new BundleWorld();
    try {
      for (const key of [other.key.vkey, other.key.fingerprint]) {
        const ran = await run(['verify', good, '--key', key, '--json']);
        expect([ran.status, report(ran).problems[0]?.code]).toEqual([5, 'key-changed']);
        expect(report(ran).proved).toEqual([]);
      }
    } finally {
      other.close();
    }
    writeFileSync(place('no-key'), 'hello');
    for (const key of [place('no-key'), place('nothing-here'), 'sha256:00'])
      expect([key, (await run(['verify', good, '--key', key])).status]).toEqual([key, 2]);
  });

  it('a problem is exit status 5, the problems stand first', async () => {
    const ran = await run(['verify', bad]);
    expect(ran.status).toBe(5);
    expect(ran.out.split('\n')[0]).toMatch(/^zip-data at context\.ndjson: /);
    expect(ran.out).toContain(`${bad} does not hold`);
    expect((await run(['verify', good])).status).toBe(0);
  });

  it('what is no bundle, a directory, nothing: said in a sentence, never thrown', async () => {
    writeFileSync(place('text'), 'hello');
    writeFileSync(place('empty'), '');
    for (const name of ['text', 'empty']) {
      const ran = await run(['verify', place(name), '--json']);
      expect([ran.status, report(ran).problems[0]?.code]).toEqual([5, 'zip-cut']);
    }
    for (const name of ['nothing', '.']) expect((await run(['verify', place(name)])).status).toBe(2);
    expect((await run(['verify'])).status).toBe(2);
  });

  it('nothing in a bundle reaches a terminal as it came', async () => {
    const hostile = Buffer.from(bundle.zip);
    hostile.write('\u001b[2J', hostile.lastIndexOf('README.txt'));
    writeFileSync(place('hostile.zip'), hostile);
    const ran = await run(['verify', place('hostile.zip')], { isTTY: true });
    expect(ran.status).toBe(5);
    expect(ran.out).not.toContain('\u001b[2J');
  });

  it('says on a terminal how far it is, and nothing elsewhere', async () => {
    const ran = await run(['verify', good], { isTTY: true });
    expect(ran.err).toContain('checking 100 %');
    expect(ran.err.endsWith('\r\u001b[K')).toBe(true);
  });
});

describe('a bundle that is encrypted with age', () => {
  const sealed = place('sealed.zip.age');
  const key = place('key.txt');

  beforeAll(async () => {
    const identity = await generateIdentity();
    const age = new Encrypter();
    age.addRecipient(await identityToRecipient(identity));
    writeFileSync(sealed, await age.encrypt(bundle.zip));
    writeFileSync(key, `# created: today\n${identity}\n`);
    writeFileSync(place('other.txt'), `${await generateIdentity()}\n`);
  });

  it('is checked with its key, and no readable copy is left behind', async () => {
    // One that nobody else of this machine writes into.
    const temporary = place('temporary');
    mkdirSync(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const ran = await run(['verify', sealed, '--identity', key, '--json']);
    expect(tmpdir()).toBe(temporary);
    vi.unstubAllEnvs();
    expect([ran.status, report(ran).ok]).toEqual([0, true]);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('without its key, with another, with a file that is none: exit status 2, and what to do', async () => {
    for (const more of [
      [],
      ['--identity', place('other.txt')],
      ['--identity', good],
      ['--identity', place('no')],
    ]) {
      const ran = await run(['verify', sealed, ...more]);
      expect([more.length, ran.status]).toEqual([more.length, 2]);
    }
    expect((await run(['verify', sealed])).err).toContain('--identity FILE');
  });

  it('changed or cut after it was encrypted is exit status 5', async () => {
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(sealed);
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 9] = (flipped[bytes.length - 9] ?? 0) ^ 1;
    for (const [name, damaged] of [
      ['flipped', flipped],
      ['cut', bytes.subarray(0, -100)],
    ] as const) {
      writeFileSync(place(name), damaged);
      const ran = await run(['verify', place(name), '--identity', key]);
      expect([name, ran.status]).toEqual([name, 5]);
    }
  });
});

describe('throughline replay FILE', () => {
  const items = (out: string): ReplayItem[] =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ReplayItem);

  it('replays every session of a bundle, or one, without a gateway', async () => {
    const all = await run(['replay', good, '--json']);
    expect(all.status).toBe(0);
    const sessions = items(all.out).filter(({ kind }) => kind === 'session');
    expect(sessions.map((item) => (item.kind === 'session' ? item.session : ''))).toEqual(bundle.sessions);
    const [, second = ''] = bundle.sessions;
    const one = items((await run(['replay', good, second, '--json'])).out);
    expect(one.filter(({ kind }) => kind === 'session')).toHaveLength(1);
    expect(one.filter(({ kind }) => kind === 'problem')).toEqual([]);
    const rows = one.filter((item) => item.kind === 'row' && item.seq === 1);
    expect(rows.map((item) => (item.kind === 'row' ? item.values : []))).toEqual(
      [0, 1, 2].map((row) => [`customer 2.${row}`, 'a***@example.com']),
    );
    const order = one.flatMap((item) => ('seq' in item && item.seq === 4 ? [item.kind] : []));
    expect(order).toEqual(['statement', 'columns', 'row', 'outcome']);
  });

  it('is for people too, and opens what is encrypted', async () => {
    const ran = await run(['replay', good, bundle.sessions[0] ?? '']);
    expect(ran.out).toContain('select name, email from customers');
    expect(ran.out).toContain('customer 1.0');
    const sealed = await run(['replay', place('sealed.zip.age'), '--identity', place('key.txt')]);
    expect([sealed.status, sealed.out.includes('customer 1.0')]).toEqual([0, true]);
  });

  it('of a changed bundle says so before it shows anything, and is exit status 5', async () => {
    const ran = await run(['replay', bad]);
    expect(ran.status).toBe(5);
    expect(ran.err).toContain('this bundle does not hold: zip-data');
    expect(ran.err).toContain('throughline verify');
  });

  it('of a session that is not in it, and of what is no bundle, names what to do', async () => {
    const missing = await run(['replay', good, 'ses_00000000000000000000000000']);
    expect([missing.status, missing.err]).toEqual([1, expect.stringContaining(bundle.sessions[0] ?? '')]);
    expect((await run(['replay', place('text')])).status).toBe(5);
    expect((await run(['replay', 'no-session-and-no-file'])).status).toBe(2);
  });
});
