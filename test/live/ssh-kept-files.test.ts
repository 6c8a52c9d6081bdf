import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReplayItem, SessionDetail } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** What policy wants kept of files that move by SFTP, with Debian's client and server at both ends. */
const scope = createScope();
const place = scope.directory();
let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;

const policies = `
@id("engineers-move-files")
permit (principal in Group::"engineers", action == Action::"ssh:sftp", resource);

@id("keep-configuration")
@keep("64kB")
permit (principal, action == Action::"ssh:sftp", resource) when { context.file.path like "*/kept/*" };

@id("keep-a-little")
@keep("10B")
permit (principal, action == Action::"ssh:sftp", resource) when { context.file.path like "*/little/*" };
`;

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + policies);
  engineer = await login(scope, gateway, 'engineer');
});
afterAll(() => scope.close());

async function transfer(script: readonly string[]): Promise<SessionDetail> {
  const before = new Set((await sessions()).map(({ id }) => id));
  const ran = await engineer.cli(['exec', 'host', '--', 'sftp', '-q', '-b', '-', 'host'], {
    input: `${script.join('\n')}\n`,
  });
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  return until('the session has ended', async () => {
    const ended = (await sessions()).find(({ id, state }) => !before.has(id) && state === 'ended');
    return ended && engineer.json<SessionDetail>(['sessions', 'show', ended.id]);
  });
}

const sessions = () => engineer.json<{ id: string; state: string }[]>(['sessions']);

async function recorded(id: string): Promise<ReplayItem[]> {
  const { stdout } = await engineer.cli(['replay', id, '--json']);
  const lines = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as ReplayItem);
}

/** What the outcomes say, by their statements. */
async function tagsOf(id: string): Promise<ReadonlyMap<number | undefined, string | undefined>> {
  const items = await recorded(id);
  return new Map(items.flatMap((item) => (item.kind === 'outcome' ? [[item.seq, item.tag] as const] : [])));
}

/** Bytes that no detector looks at and that no text can say. */
const binary = Buffer.from(
  Array.from({ length: 30_000 }, (_, index) => (index % 3 === 0 ? 0 : 128 + (index % 128))),
);

it('a file that policy wants kept is in the recording, masked; its hash is of the file itself', async () => {
  const local = join(place, 'app.conf');
  const remote = join(place, 'kept');
  mkdirSync(remote);
  writeFileSync(local, 'owner = erin.engineer@example.com\nport = 8080 # größe\n');
  const { id, statements } = await transfer([
    `put ${local} ${remote}/app.conf`,
    `get ${remote}/app.conf ${join(place, 'back.conf')}`,
  ]);
  expect(readFileSync(join(place, 'back.conf'))).toEqual(readFileSync(local));
  const [put, got] = statements.filter(({ command }) => command === 'sftp write' || command === 'sftp read');
  expect(put).toMatchObject({ command: 'sftp write', text: `${remote}/app.conf` });
  const tags = await tagsOf(id);
  expect(tags.get(put?.seq)).toMatch(/^56 bytes written, sha256 [0-9a-f]{64}, 56 bytes kept$/);
  expect(tags.get(got?.seq)).toMatch(/^56 bytes read, sha256 [0-9a-f]{64}, 56 bytes kept$/);
  for (const each of [put, got]) {
    const file = join(place, `kept-${each?.seq}`);
    await engineer.json(['replay', id, '--file', '--statement', String(each?.seq), '-o', file]);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('port = 8080 # größe\n');
    expect(text).not.toContain('erin.engineer');
    expect(Buffer.byteLength(text)).toBe(56);
  }
  const shown = await engineer.cli(['replay', id]);
  expect(shown.stdout).toContain('  > ');
  expect(shown.stdout).toContain('port = 8080 # größe');
  const found = await engineer.json<{ session: string }[]>(['search', '8080']);
  expect(found.map(({ session }) => session)).toContain(id);
});

it('what is no text comes back byte for byte, from the gateway and from a bundle', async () => {
  const local = join(place, 'binary');
  const remote = join(place, 'kept');
  writeFileSync(local, binary);
  const { id } = await transfer([`put ${local} ${remote}/binary`]);
  const kept = join(place, 'kept-binary');
  await engineer.json(['replay', id, '--file', '-o', kept]);
  expect(readFileSync(kept).equals(binary)).toBe(true);
  const bundle = join(place, 'bundle.zip');
  const exported = await admin.cli(['export', id, '-o', bundle]);
  expect(exported.status).toBe(0);
  const again = join(place, 'kept-binary-again');
  await admin.json(['replay', bundle, '--file', '-o', again]);
  expect(readFileSync(again).equals(binary)).toBe(true);
});

it('no more is kept than policy asks for, and nothing where it does not ask', async () => {
  const local = join(place, 'long');
  writeFileSync(local, 'abcdefghijklmnopqrstuvwxyz\n');
  for (const name of ['little', 'other']) mkdirSync(join(place, name));
  const { id, statements } = await transfer([
    `put ${local} ${place}/little/long`,
    `put ${local} ${place}/other/long`,
  ]);
  const [little, other] = statements.filter(({ command }) => command === 'sftp write');
  const tags = await tagsOf(id);
  expect(tags.get(little?.seq)).toMatch(/, 10 bytes kept$/);
  expect(tags.get(other?.seq)).not.toMatch(/kept/);
  expect((await recorded(id)).filter(({ kind }) => kind === 'data')).toMatchObject([
    { seq: little?.seq, stream: 'file-written', text: 'abcdefghij' },
  ]);
  const none = await engineer.cli(['replay', id, '--file', '--statement', String(other?.seq), '-o', 'none']);
  expect(none.status).not.toBe(0);
  expect(none.stderr).toContain('no such file');
});

it('a policy with a size that cannot be read is not put in force', async () => {
  const file = join(place, 'wrong.cedar');
  writeFileSync(file, '@keep("a lot") permit (principal, action, resource);');
  const put = await admin.cli(['admin', 'policies', 'put', file]);
  expect(put.status).not.toBe(0);
  expect(put.stderr).toContain('@keep takes a size');
});

it('a long file is kept in order while it is read and written at once', async () => {
  const remote = join(place, 'kept');
  const text = Array.from({ length: 6000 }, (_, index) => `line ${index.toString(36)}`).join('\n');
  writeFileSync(join(remote, 'lines'), text);
  const { id, statements } = await transfer([
    `get ${remote}/lines ${join(place, 'lines')}`,
    `put ${join(place, 'lines')} ${remote}/lines-2`,
  ]);
  const moved = statements.filter(({ command }) => command === 'sftp read' || command === 'sftp write');
  expect(moved).toHaveLength(2);
  for (const { seq } of moved) {
    const file = join(place, `lines-${seq}`);
    await engineer.json(['replay', id, '--file', '--statement', String(seq), '-o', file]);
    expect(readFileSync(file, 'utf8')).toBe(text.slice(0, 64 * 1024));
  }
});
