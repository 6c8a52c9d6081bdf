import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import headless from '@xterm/headless';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReplayItem, SessionView } from '../../gateway-core/contract/api.js';
import { addConnections, livePolicies, login, type Person, putPolicies, startGateway } from './harness.js';
import { createScope, until } from './processes.js';
import { startSshd } from './sshd.js';

// Its types would bring those of a browser along.
const { SerializeAddon } = createRequire(import.meta.url)('@xterm/addon-serialize') as {
  SerializeAddon: new () => { serialize(): string } & headless.ITerminalAddon;
};

/** Terminals as their person saw them, and as the recording shows them: the same screens, to the cell. */
const scope = createScope();
afterAll(() => scope.close());

let engineer: Person;
let port = 0;
const place = scope.directory();

const policies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers", action in [Action::"ssh:shell", Action::"ssh:exec"], resource);
`;

beforeAll(async () => {
  const [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  const admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host', { recording: { rows: 'none' } })]);
  await putPolicies(admin, livePolicies + policies);
  engineer = await login(scope, gateway, 'engineer');
  ({ port } = (await engineer.tunnel('host')) as unknown as { readonly port: number });
});

/** An emulator beside its own serialisation; bytes in, picture out. */
class Screen {
  readonly terminal: headless.Terminal;
  readonly #serialize = new SerializeAddon();
  #painted: Promise<void> = Promise.resolve();

  constructor(columns: number, rows: number) {
    this.terminal = new headless.Terminal({ cols: columns, rows, scrollback: 3000, allowProposedApi: true });
    this.terminal.loadAddon(this.#serialize);
  }

  write(data: string | Uint8Array): void {
    this.#painted = new Promise((resolve) => {
      this.terminal.write(data, resolve);
    });
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#painted;
    this.terminal.resize(columns, rows);
  }

  async text(): Promise<string> {
    await this.#painted;
    return this.#serialize.serialize();
  }
}

interface Worked {
  readonly screen: Screen;
  /** Waits until the person sees this. */
  readonly sees: (text: RegExp) => Promise<void>;
  /** Waits until nothing more comes: what is seen stands. */
  readonly rests: () => Promise<void>;
  /** Waits until so much more has come. */
  readonly comes: (bytes: number) => Promise<unknown>;
  readonly type: (keys: string) => void;
  readonly resize: (columns: number, rows: number) => Promise<void>;
}

/** Runs a program in a terminal of 100 by 30; what was seen live at its end, and what the recording shows. */
async function seen(command: string, work: (at: Worked) => Promise<void>) {
  const client: Client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).once('error', reject);
    client.connect({
      sock: connect(port, '127.0.0.1'),
      username: 'host',
      authHandler: ['none'],
      hostVerifier: () => true,
    });
  });
  const screen = new Screen(100, 30);
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.exec(command, { pty: { cols: 100, rows: 30, term: 'xterm-256color' } }, (error, opened) =>
      error === undefined ? resolve(opened) : reject(error),
    );
  });
  let bytes = 0;
  channel.on('data', (data: Buffer) => {
    bytes += data.length;
    screen.write(Uint8Array.from(data));
  });
  const closed = new Promise((resolve) => channel.once('close', resolve));
  const rests = async (): Promise<void> => {
    let last = -1;
    await until('it rests', async () => {
      const before = last;
      last = bytes;
      await new Promise((resolve) => setTimeout(resolve, 400));
      return before === bytes ? true : undefined;
    });
  };
  await work({
    screen,
    rests,
    comes: (more) => {
      const wanted = bytes + more;
      return until(`${more} bytes more`, () => (bytes >= wanted ? true : undefined));
    },
    sees: (text) =>
      until(`${text.source} is seen`, async () => (text.test(await screen.text()) ? true : undefined)).then(
        () => undefined,
      ),
    type: (keys) => channel.write(keys),
    resize: async (columns, rows) => {
      await rests();
      await screen.resize(columns, rows);
      channel.setWindow(rows, columns, 0, 0);
      await rests();
    },
  });
  await closed;
  client.end();
  const live = await screen.text();
  return { live, bytes, recorded: await recorded(command) };
}

async function recorded(command: string): Promise<{ readonly picture: string; readonly sizes: number }> {
  const id = await until('the session has ended', async () => {
    const sessions = await engineer.json<SessionView[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    return latest?.state === 'ended' ? latest.id : undefined;
  });
  const { stdout } = await engineer.cli(['replay', id, '--json']);
  const items = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReplayItem);
  expect(items).toContainEqual(expect.objectContaining({ kind: 'statement', text: command }));
  const screen = new Screen(100, 30);
  let sizes = 0;
  for (const item of items) {
    if (item.kind === 'terminal') screen.write(item.data);
    if (item.kind !== 'size') continue;
    sizes += 1;
    await screen.resize(item.columns, item.rows);
  }
  return { picture: await screen.text(), sizes };
}

const vim = existsSync('/usr/bin/vim') ? 'vim' : 'vim.tiny';

it('vim: edited, split, resized and searched, it is replayed as it looked', async () => {
  const file = join(place, 'notes.txt');
  writeFileSync(
    file,
    Array.from({ length: 300 }, (_, index) => `line ${index} of a file, größer`).join('\n'),
  );
  const command = `${vim} -u NONE -i NONE -n ${file}`;
  const {
    live,
    bytes,
    recorded: replayed,
  } = await seen(command, async ({ type, sees, rests, resize }) => {
    await sees(/line 20 of a file/);
    type(':set number\r');
    await sees(/ 20 .*line 19/);
    type('o\x1b[200~pasted «text»\x1b[201~ and typed\x1b');
    await rests();
    type(':split\r');
    await rests();
    type('G');
    await sees(/line 299/);
    await resize(120, 40);
    type('/line 150\r');
    await sees(/150/);
    await resize(80, 24);
    type('\x06\x06\x02zz');
    await rests();
    // It is looked at as it stands, in its other screen: nothing gives the first one back.
    type(':set t_te= t_ti=\r');
    await rests();
    type(':qa!\r');
  });
  expect(bytes).toBeGreaterThan(5000);
  expect(replayed.sizes).toBeGreaterThanOrEqual(3);
  expect(replayed.picture).toBe(live);
});

it('top: refreshed again and again, sorted and resized, it is replayed as it looked', async () => {
  const {
    live,
    bytes,
    recorded: replayed,
  } = await seen('top -d 0.3', async ({ type, sees, screen, comes }) => {
    await sees(/%Cpu|COMMAND/);
    type('M');
    type('c');
    await comes(4000);
    type('1');
    await comes(4000);
    expect(await screen.text()).toContain('PID');
    type('q');
  });
  expect(bytes).toBeGreaterThan(5000);
  expect(replayed.picture).toBe(live);
});

it('a build of 100,000 lines, with colours and progress, is replayed as it looked', async () => {
  const makefile = join(place, 'Makefile');
  const escape = '\x1b';
  writeFileSync(
    makefile,
    [
      `lines := $(foreach n,$(shell seq 100000),$(info ${escape}[32m[$(n)/100000]${escape}[0m cc -O2 -c src/part-$(n).c -o out/part-$(n).o))`,
      'all:',
      `\t@printf 'linking 50%%\\rlinking 100%%\\n${escape}[1mdone${escape}[0m\\n'`,
      '',
    ].join('\n'),
  );
  const { live, bytes, recorded: replayed } = await seen(`make -f ${makefile}`, () => Promise.resolve());
  expect(bytes).toBeGreaterThan(6_000_000);
  expect(live).toContain('[100000/100000]');
  expect(live).toContain('done');
  expect(replayed.picture === live).toBe(true);
});
