import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  AdminConnection,
  AdminPerson,
  PolicyDocument,
  PolicyPutResult,
  PutResult,
  ReplayItem,
  SearchHit,
  SessionDetail,
  SessionView,
  VerifyReport,
} from '../../gateway-core/contract/api.js';
import { ConnectionSummary } from '../../gateway-core/contract/connection.js';
import { Timestamp } from '../../gateway-core/contract/ids.js';
import { cli, type GatewayRun, login, type Person, psql, startGateway } from './harness.js';
import { contentOf, filesBelow } from './leaks.js';
import { createScope, freePort, type Outcome, run, start } from './processes.js';

/** The command as scripts know it: its JSON shapes, on the demo and the demo's own database. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let contractor: Person;
let engineer: Person;
let admin: Person;
let auditor: Person;
let session: string;

beforeAll(async () => {
  gateway = await startGateway(scope);
  [contractor, engineer, admin, auditor] = await Promise.all([
    login(scope, gateway, 'contractor'),
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'auditor'),
  ]);
  // The first one makes the demo's database.
  const made = await contractor.cli(
    [
      'exec',
      'shop-db',
      '--',
      'psql',
      '-XAt',
      '-c',
      "select current_setting('application_name')",
      '-c',
      'select email, city from customers where id = 1',
    ],
    { timeoutMs: 120_000 },
  );
  session = /ses_[0-9A-Z]{26}/.exec(made.stdout)?.[0] ?? '';
  if (made.status !== 0 || session === '')
    throw new Error(`the demo's database: ${made.stdout}${made.stderr}`);
});

describe('shapes', () => {
  it('up --json prints one line when it accepts connections', () => {
    const lines = gateway
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes('"ready"'));
    expect(lines.length).toBe(1);
    const Ready = z.object({
      ready: z.literal(true),
      url: z.string().regex(/^https:\/\/127\.0\.0\.1:\d+$/),
      ca: z.string().startsWith('/'),
      listeners: z.object({ postgres: z.string().regex(/^127\.0\.0\.1:\d+$/) }),
      demoSecret: z.string().startsWith('/'),
    });
    const ready = Ready.parse(JSON.parse(lines[0] ?? ''));
    expect(readFileSync(ready.ca, 'utf8')).toContain('BEGIN CERTIFICATE');
    expect(statSync(ready.demoSecret).mode & 0o777).toBe(0o600);
  });

  it('whoami', async () => {
    const Shape = z.object({
      principal: z.literal('demo/contractor'),
      groups: z.array(z.string()),
      gateway: z.literal(gateway.url),
      expiresAt: Timestamp,
      deviceKey: z.string().min(40),
      storage: z.literal('file'),
    });
    expect(Shape.parse(await contractor.json(['whoami'])).groups).toEqual(['contractors']);
  });

  it('connections', async () => {
    const found = z.array(ConnectionSummary).parse(await contractor.json(['connections']));
    expect(found).toMatchObject([
      { name: 'shop-db', protocol: 'postgres', labels: { team: 'shop' }, access: 'allowed' },
      { name: 'shop-host', protocol: 'ssh', labels: { team: 'shop' }, access: 'allowed' },
    ]);
  });

  it('connect prints one line once it listens, and its command works', async () => {
    const tunnel = await contractor.tunnel('shop-db');
    expect(tunnel).toMatchObject({
      connection: 'shop-db',
      protocol: 'postgres',
      host: '127.0.0.1',
      database: expect.any(String) as unknown,
    });
    const pasted = await run('sh', ['-c', `${tunnel.command} -XAtc 'select 6 * 7'`]);
    expect(pasted).toMatchObject({ status: 0, stdout: '42\n', stderr: '' });
    tunnel.running.signal('SIGINT');
    expect(await tunnel.running.ended).toMatchObject({ status: 0 });
  });

  it('connect --port listens there', async () => {
    const port = await freePort();
    const tunnel = await contractor.tunnel('shop-db', '--port', String(port));
    expect(tunnel.port).toBe(port);
    expect(await psql(tunnel.env, 'select 3')).toMatchObject({ status: 0, stdout: '3\n' });
  });

  it('connect takes the port of last time when none is named', async () => {
    const ports: number[] = [];
    for (let time = 0; time < 2; time += 1) {
      const tunnel = await contractor.tunnel('shop-db');
      ports.push(tunnel.port);
      tunnel.running.signal('SIGTERM');
      await tunnel.running.ended;
    }
    expect(ports[1]).toBe(ports[0]);
  });

  it('sessions, and sessions show', async () => {
    const all = z.array(SessionView).parse(await contractor.json(['sessions']));
    expect(all.every(({ principal }) => principal === 'demo/contractor')).toBe(true);
    expect(all.find(({ id }) => id === session)).toMatchObject({
      connection: 'shop-db',
      protocol: 'postgres',
      chain: [
        { id: 'demo/contractor', kind: 'person', name: expect.any(String) as unknown, assurance: 'proven' },
        { kind: 'process', name: 'psql', assurance: 'observed' },
      ],
      state: 'ended',
      endCause: 'client',
      statements: 2,
    });
    const detail = SessionDetail.parse(await contractor.json(['sessions', 'show', session]));
    expect(detail.statements.map(({ seq, decision, rows }) => ({ seq, decision, rows }))).toEqual([
      { seq: 1, decision: 'allowed', rows: 1 },
      { seq: 2, decision: 'allowed', rows: 1 },
    ]);
    expect(detail.statements[1]).toMatchObject({
      text: 'select email, city from customers where id = 1',
      policy: ['contractors-read-the-shop'],
    });
  });

  it('sessions --live and --of show only those', async () => {
    const tunnel = await engineer.tunnel('shop-db');
    const open = start(scope, 'psql', ['-XAt'], { env: tunnel.env });
    open.stdin.write("select 'open';\n");
    await open.waitFor(/^open$/m);
    const live = z.array(SessionView).parse(await auditor.json(['sessions', '--live']));
    const of = z.array(SessionView).parse(await auditor.json(['sessions', '--of', 'demo/contractor']));
    expect(live).toMatchObject([{ principal: 'demo/engineer', state: 'live' }]);
    expect(new Set(of.map(({ principal }) => principal))).toEqual(new Set(['demo/contractor']));
    open.stdin.end();
    expect(await open.ended).toMatchObject({ status: 0 });
  });

  it('replay', async () => {
    const { status, stdout } = await contractor.cli(['replay', session, '--json']);
    expect(status).toBe(0);
    const items = stdout
      .trim()
      .split('\n')
      .map((line) => ReplayItem.parse(JSON.parse(line)));
    expect(items.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['session', 'statement', 'columns', 'row', 'outcome', 'end']),
    );
    const row = items.find((item) => item.kind === 'row' && item.seq === 2);
    expect(row?.kind === 'row' ? row.values[0] : '').toMatch(
      /^.\*+@(example\.com|example\.org|mail\.example\.net)$/,
    );
    const shown = await contractor.cli(['replay', session]);
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toContain('select email, city from customers where id = 1');
  });

  it('search', async () => {
    const hits = z.array(SearchHit).parse(await contractor.json(['search', 'customers']));
    expect(hits.find((hit) => hit.session === session && hit.seq === 2)).toMatchObject({
      connection: 'shop-db',
      principal: 'demo/contractor',
    });
    expect(await engineer.json(['search', 'nothing', 'like', 'this'])).toEqual([]);
  });

  it('log verify and log checkpoint', async () => {
    const report = VerifyReport.parse(await auditor.json(['log', 'verify']));
    expect(report).toMatchObject({ ok: true, problems: [] });
    expect(report.proved.length).toBeGreaterThan(0);
    expect(report.entries).toBeGreaterThan(5);
    expect(report.sessions).toBeGreaterThan(0);
    const offline = VerifyReport.parse(
      await cliJson(scope.directory(), ['log', 'verify', '--data', gateway.data]),
    );
    expect(offline).toMatchObject({ ok: true, keyFingerprint: report.keyFingerprint });
    const checkpoint = await auditor.cli(['log', 'checkpoint']);
    expect(checkpoint.stdout).toMatch(/^\S+\n\d+\n[A-Za-z0-9+/]{43}=\n\n(\u2014 \S+ \S+\n)+$/);
  });

  it('handle', async () => {
    const handle = await contractor.handle('shop-db', '--ttl', '2m', '--sessions', '3');
    expect(handle).toMatchObject({
      connection: 'shop-db',
      host: '127.0.0.1',
      port: gateway.native.port,
      sessionsMax: 3,
      user: expect.stringMatching(/^dlg_/) as unknown,
    });
    expect(handle.password.length).toBeLessThanOrEqual(64);
    expect(await psql(handle.env, 'select 5')).toMatchObject({ status: 0, stdout: '5\n' });
    const through = z.array(SessionView).parse(await contractor.json(['sessions']))[0];
    expect(through).toMatchObject({
      via: 'native',
      chain: [{ id: 'demo/contractor' }, { assurance: 'issued' }],
    });
  });

  it('admin connections: list, add, show, remove; no secret comes back', async () => {
    const file = join(admin.home, 'extra.yaml');
    const yaml = (port: number): string =>
      `connections:\n  - name: extra\n    protocol: postgres\n    address: 127.0.0.1:${port}\n    tls: off\n    credential:\n      user: someone\n      password: very-secret-password\n    labels: {team: shop}\n    masks:\n      - {columns: [public.customers.email], with: partial}\n      - {detect: [email, card], with: redact}\n    recording: {rows: 4MB, durability: grouped}\n`;
    writeFileSync(file, yaml(1));
    expect(PutResult.parse(await admin.json(['admin', 'connections', 'add', file]))).toEqual({
      added: ['extra'],
      changed: [],
      unchanged: [],
    });
    expect(PutResult.parse(await admin.json(['admin', 'connections', 'add', file]))).toEqual({
      added: [],
      changed: [],
      unchanged: ['extra'],
    });
    const all = z.array(AdminConnection).parse(await admin.json(['admin', 'connections', 'list']));
    expect(all.map(({ name }) => name).sort()).toEqual(['extra', 'shop-db', 'shop-host']);
    const shown = await admin.cli(['admin', 'connections', 'show', 'extra', '--json']);
    expect(AdminConnection.parse(JSON.parse(shown.stdout)).credential).toMatchObject({
      held: true,
      kind: 'sealed',
    });
    // Another address must not get the credential of the one before: here it comes with the file again.
    writeFileSync(file, yaml(2).replace(/ {4}credential:\n.*\n.*\n/, ''));
    await admin.json(['admin', 'connections', 'add', file]);
    const moved = AdminConnection.parse(await admin.json(['admin', 'connections', 'show', 'extra']));
    expect(moved.credential.held).toBe(false);
    expect((await admin.cli(['admin', 'connections', 'remove', 'extra', '--json'])).status).toBe(0);
    expect((await admin.cli(['admin', 'connections', 'show', 'extra', '--json'])).status).toBe(1);
    for (const path of filesBelow(gateway.data))
      expect(contentOf(path).includes('very-secret-password')).toBe(false);
    expect(shown.stdout).not.toContain('very-secret-password');
    expect(gateway.log()).not.toContain('very-secret-password');
  });

  it('admin policies: list, show, put; what show prints, put takes', async () => {
    const [current] = z.array(PolicyDocument).parse(await admin.json(['admin', 'policies', 'list']));
    const shown = await admin.cli(['admin', 'policies', 'show']);
    expect(shown.status).toBe(0);
    const same = PolicyPutResult.parse(
      await admin.json(['admin', 'policies', 'put', '-'], { input: shown.stdout }),
    );
    expect(same.version).toBe(current?.version);
    const wider = `${shown.stdout}\n@id("nobody-deletes") forbid (principal, action == Action::"sql:write", resource) when { context.statement.command == "DELETE" };\n`;
    const put = PolicyPutResult.parse(await admin.json(['admin', 'policies', 'put', '-'], { input: wider }));
    expect(put).toMatchObject({
      previous: current?.version,
      policies: expect.arrayContaining(['nobody-deletes']) as unknown,
    });
    const denied = await engineer.cli([
      'exec',
      'shop-db',
      '--',
      'psql',
      '-Xc',
      'delete from support_messages',
    ]);
    expect(denied.stderr).toMatch(/nobody-deletes/);
    await admin.json(['admin', 'policies', 'put', '-'], { input: shown.stdout });
  });

  it('admin people', async () => {
    const people = z.array(AdminPerson).parse(await admin.json(['admin', 'people']));
    expect(people.map(({ principal }) => principal).sort()).toEqual([
      'demo/admin',
      'demo/auditor',
      'demo/contractor',
      'demo/engineer',
    ]);
  });
});

async function cliJson(home: string, args: readonly string[]): Promise<unknown> {
  const { status, stdout, stderr } = await cli(home, [...args, '--json']);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

describe('the demo', () => {
  const ask = (person: Person, sql: string): Promise<Outcome> =>
    person.cli(['exec', 'shop-db', '--', 'psql', '-XAtc', sql]);

  it('holds 20,000 customers, 120,000 orders and 30,000 messages', async () => {
    const counted = await ask(
      contractor,
      'select (select count(*) from customers), (select count(*) from orders), (select count(*) from support_messages)',
    );
    expect(counted).toMatchObject({ status: 0, stdout: '20000|120000|30000\n' });
  });

  it('shows a contractor what is masked as masked, in columns and in running text', async () => {
    const { stdout } = await ask(
      contractor,
      'select full_name, email, phone, card_number, iban from customers where id = 2; select body from support_messages where id < 40',
    );
    expect(stdout).not.toMatch(/[a-z]+\.[a-z]+\.\d+@/);
    expect(stdout).not.toMatch(/\d{4} ?\d{4} ?\d{4} ?\d{4}/);
    expect(stdout).not.toMatch(/DE\d{20}/);
  });

  it('denies a contractor to write, and says why and what to do', async () => {
    const denied = await ask(contractor, 'delete from orders');
    expect(denied.status).toBe(1);
    expect(denied.stderr).toMatch(/^ERROR: {2}throughline: .*sql:write/m);
    expect(denied.stderr).toMatch(/^HINT: {2}/m);
    const shown = SessionDetail.parse(
      await contractor.json([
        'sessions',
        'show',
        z.array(SessionView).parse(await contractor.json(['sessions']))[0]?.id ?? '',
      ]),
    );
    expect(shown.statements).toMatchObject([{ decision: 'denied', text: 'delete from orders' }]);
    expect((await ask(contractor, 'select count(*) from orders')).stdout).toBe('120000\n');
  });

  it('lets an engineer write and not change the schema', async () => {
    expect(
      await ask(engineer, "begin; update orders set status = 'paid' where id = 1; rollback"),
    ).toMatchObject({ status: 0 });
    expect((await ask(engineer, 'drop table orders')).stderr).toMatch(/ERROR.*denied|ERROR.*may not|ERROR/);
  });
});

describe('the tunnel', () => {
  const isRoot = process.getuid?.() === 0;
  const visitor =
    'import socket, sys\ns = socket.create_connection(("127.0.0.1", int(sys.argv[1])))\n' +
    's.settimeout(20)\ntry:\n  s.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))\n  got = s.recv(100)\nexcept OSError as e:\n  got = b""\nprint(len(got))';

  it.runIf(isRoot)('refuses a socket of another user before a byte, and says so', async () => {
    const tunnel = await contractor.tunnel('shop-db');
    const before = z.array(SessionView).parse(await contractor.json(['sessions'])).length;
    const other = await run('/usr/bin/python3', ['-c', visitor, String(tunnel.port)], {
      uid: 65_534,
      gid: 65_534,
    });
    expect(other).toMatchObject({ status: 0, stdout: '0\n' });
    await tunnel.running.waitFor(/another user.*65534|65534.*another user/);
    const own = await run('/usr/bin/python3', ['-c', visitor, String(tunnel.port)]);
    expect(own).toMatchObject({ status: 0, stdout: '1\n' });
    expect(await psql(tunnel.env, 'select 1')).toMatchObject({ status: 0 });
    const sessions = z.array(SessionView).parse(await contractor.json(['sessions'])).length;
    // The visitor of our own asked for encryption and left: no session either.
    expect(sessions).toBe(before + 1);
  });
});
