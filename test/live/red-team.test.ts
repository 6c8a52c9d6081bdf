import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../gateway-core/contract/events.js';
import type { BackendMessage } from './postgres-socket.js';
import { fieldsOf } from './postgres-socket.js';
import {
  bind,
  type Client,
  closePortal,
  closeStatement,
  describePortal,
  execute,
  hostileTarget,
  packet,
  parse,
  query,
  type Stack,
  startStack,
  sync,
} from './red-team-stack.js';

/** Attacks on the proxy that once worked, or that nearly would: each stands for a class of them. */

const secret = 'Ben Evans';
const leaky = "select full_name || '' from customers where id = 1";
const harmless = "select 'harmless'::text";
const contractor = ['contractors'];
const engineer = ['engineers'];

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(async () => {
  await stack.close();
});

const shown = (messages: readonly BackendMessage[]): string =>
  messages.map((each) => each.body.toString('latin1')).join('\n');

async function ask(client: Client, ...bytes: readonly Buffer[]): Promise<BackendMessage[]> {
  client.socket.write(Buffer.concat(bytes));
  return client.socket.messagesUntil('Z');
}

/** Everything up to so many ReadyForQuery, or to the end when the gateway ends the session first. */
async function answers(client: Client, count: number): Promise<BackendMessage[]> {
  const all: BackendMessage[] = [];
  try {
    for (let left = count; left > 0; left -= 1) {
      for (;;) {
        const message = await client.socket.message();
        all.push(message);
        if (message.type === 'Z') break;
      }
    }
  } catch {
    // Ended: what was said before that is what counts.
  }
  return all;
}

const errorsIn = (messages: readonly BackendMessage[]): string[] =>
  messages.filter((each) => each.type === 'E').map((each) => fieldsOf(each)['C'] ?? '');

type Decided = Extract<AuditEvent, { kind: 'statement.decided' }>;
type Ended = Extract<AuditEvent, { kind: 'statement.ended' }>;
function recorded(client: Client): { decided: Decided[]; ended: Ended[]; content: string } {
  const decided: Decided[] = [];
  const ended: Ended[] = [];
  let content = '';
  for (const record of stack.journal(client.session)) {
    if (record.kind === 'content') content += Buffer.from(record.bytes).toString('latin1');
    else if (record.event.kind === 'statement.decided') decided.push(record.event);
    else if (record.event.kind === 'statement.ended') ended.push(record.event);
  }
  return { decided, ended, content };
}

async function hangUp(client: Client): Promise<void> {
  client.socket.write(packet('X'));
  client.socket.end();
  await client.over;
}

it('a client that has said goodbye has left, however late its socket closes', async () => {
  const client = await stack.open(engineer);
  client.socket.write(packet('X'));
  await client.over;
  const ended = stack
    .journal(client.session)
    .flatMap((record) =>
      record.kind === 'event' && record.event.kind === 'session.ended' ? [record.event] : [],
    );
  expect(ended).toMatchObject([{ endCause: 'client' }]);
});

describe('grouped', () => {
  it('lets a plain read go before the disk has its intent, and nothing else', async () => {
    const client = await stack.open(engineer);
    const from = stack.asked.length;
    await ask(client, query('select 1; update customers set city = city where false; select 2'));
    for (const text of ['begin', 'delete from customers where false', 'rollback'])
      await ask(client, query(text));
    expect(stack.asked.slice(from)).toEqual([
      'SELECT recorded',
      'UPDATE durable',
      'SELECT recorded',
      'BEGIN recorded',
      'DELETE durable',
      'ROLLBACK recorded',
    ]);
    client.stream.destroy();
  });
});

describe('a masked value', () => {
  it('never reaches an error message, whatever raises it', async () => {
    const client = await stack.open(contractor);
    for (const text of [
      'select current_setting(full_name) from customers where id = 1',
      "select has_database_privilege(full_name, 'connect') from customers where id = 1",
      'select full_name::regtype from customers where id = 1',
      'select full_name::int from customers where id = 1',
    ]) {
      const messages = await ask(client, query(text));
      expect(errorsIn(messages), text).toHaveLength(1);
      expect(shown(messages), text).not.toContain('Ben');
    }
    const bytes = await ask(
      client,
      query(
        `select convert_from('\\xf0'::bytea || substr(convert_to(full_name,'UTF8'),1,3),'UTF8') from customers where id=1`,
      ),
    );
    expect(shown(bytes)).not.toContain('0x42');
    for (const [text, number] of [
      ['select chr(1200000+ascii(full_name)) from customers where id=1', '1200066'],
      ["select get_bit('\\x00'::bytea, ascii(full_name)) from customers where id=1", '66'],
      ['select make_date(2000, ascii(full_name), 1) from customers where id=1', '66'],
    ] as const) {
      expect(fieldsOf((await ask(client, query(text)))[0] as BackendMessage)['M'] ?? '', text).not.toContain(
        number,
      );
    }
    await hangUp(client);
    expect(recorded(client).content).not.toContain('Ben');
  });

  it('is not told from another by the NULLs and empty texts made of it', async () => {
    const client = await stack.open(contractor);
    for (const expression of [
      `replace(full_name, '${secret}', '')`,
      "substring(full_name from '^B.*')",
      "regexp_match(full_name, '^B')",
      `jsonb_build_object('${secret}', 1)->full_name`,
      'lpad(full_name, 66 - ascii(full_name))',
    ]) {
      const text = `select ${expression} from customers where id in (1, 2) order by id`;
      const answer = await ask(client, query(text));
      // Refused is as good: then it answers nothing at all.
      if (errorsIn(answer).includes('42501')) continue;
      const rows = answer.filter((each) => each.type === 'D');
      expect(rows, text).toHaveLength(2);
      expect(rows[0]?.body.equals(rows[1]?.body ?? Buffer.alloc(0)), text).toBe(true);
      const copied = (await ask(client, query(`copy (${text}) to stdout`)))
        .filter((each) => each.type === 'd')
        .map((each) => each.body.toString())
        .join('')
        .trim()
        .split('\n');
      expect(copied, text).toHaveLength(2);
      expect(copied[0], text).toBe(copied[1]);
    }
    await hangUp(client);
  });
});

describe('a change of the schema', () => {
  it('that computes over every row neither quotes a value nor tells whether it could', async () => {
    const client = await stack.open(['engineers', 'dba']);
    for (const text of [
      'create index on customers ((full_name::int))',
      'create unique index on customers (substr(full_name, 1, 3))',
      'create unique index on customers (full_name)',
      "create index on customers (id) where full_name like 'A%'",
    ]) {
      const answer = await ask(client, query(text));
      expect(errorsIn(answer), text).toEqual(['42501']);
    }
    // A column type is changed by reading every row, and is allowed: its error must quote none of them.
    const changed = await ask(
      client,
      query('alter table customers alter column full_name type integer using full_name::integer'),
    );
    expect(shown(changed)).not.toMatch(/[A-Z][a-z]+ [A-Z][a-z]+"/);
    await hangUp(client);
  });
});

describe('a name of the protocol', () => {
  it('means what the target takes it for, after Parse, Close and Parse in one go', async () => {
    const client = await stack.open(contractor);
    await ask(client, parse('s', harmless), closeStatement('s'), sync());
    const messages = await ask(client, parse('s', leaky), bind('', 's'), execute(''), sync());
    expect(shown(messages)).not.toContain(secret);
    await hangUp(client);
    const { decided, ended } = recorded(client);
    const ran = decided.filter((each) => ended.some((end) => end.seq === each.seq && end.state === 'ok'));
    expect(ran).toHaveLength(1);
    expect(ran[0]?.payload.text).toContain('full_name');
  });

  it('is not taken over by an SQL PREPARE behind its Parse', async () => {
    const client = await stack.open(contractor);
    client.socket.write(
      Buffer.concat([parse('s', harmless), sync(), query('deallocate s'), query(`prepare s as ${leaky}`)]),
    );
    await answers(client, 3);
    client.socket.write(Buffer.concat([bind('', 's'), execute(''), sync()]));
    expect(shown(await answers(client, 1))).not.toContain(secret);
    await hangUp(client);
  });

  it('is not shadowed by an SQL PREPARE that fails because the name is taken', async () => {
    const client = await stack.open(contractor);
    await ask(client, parse('s', leaky), sync());
    await ask(client, query(`prepare s as ${harmless}`));
    expect(shown(await ask(client, query('execute s')))).not.toContain(secret);
    await hangUp(client);
  });

  it('is not mistaken when an error skips its new definition', async () => {
    const client = await stack.open(contractor);
    await ask(client, parse('s', leaky), sync());
    client.socket.write(
      Buffer.concat([
        bind('', 'no such statement'),
        closeStatement('s'),
        parse('s', harmless),
        sync(),
        bind('', 's'),
        execute(''),
        sync(),
      ]),
    );
    expect(shown(await answers(client, 2))).not.toContain(secret);
    await hangUp(client);
    const { decided, ended } = recorded(client);
    for (const end of ended.filter((each) => each.state === 'ok'))
      expect(decided.find((each) => each.seq === end.seq)?.payload.text).toContain('full_name');
  });

  it('is not mistaken when an error skips the new definition of the unnamed statement', async () => {
    const client = await stack.open(contractor);
    await ask(client, parse('', leaky), sync());
    client.socket.write(
      Buffer.concat([bind('', 'none'), parse('', harmless), sync(), bind('', ''), execute(''), sync()]),
    );
    expect(shown(await answers(client, 2))).not.toContain(secret);
    await hangUp(client);
  });

  it('of a portal is not mistaken when an error skips its new Bind', async () => {
    const client = await stack.open(contractor);
    await ask(client, query('begin'));
    await ask(client, parse('a', leaky), parse('b', harmless), bind('p', 'a'), sync());
    await ask(client, query('savepoint x'));
    client.socket.write(
      Buffer.concat([
        bind('', 'none'),
        closePortal('p'),
        bind('p', 'b'),
        sync(),
        query('rollback to x'),
        execute('p'),
        sync(),
      ]),
    );
    expect(shown(await answers(client, 3))).not.toContain(secret);
    await hangUp(client);
  });

  it('of a portal is not FETCHed as the cursor that once had it', async () => {
    const client = await stack.open(contractor);
    await ask(client, query(`begin; declare c cursor for ${harmless}; commit; begin`));
    await ask(client, parse('s', leaky), bind('c', 's'), sync());
    expect(shown(await ask(client, query('fetch all from c')))).not.toContain(secret);
    await hangUp(client);
  });

  it('never lets SQL run what only Parse has seen: every text that ran is in the journal', async () => {
    const client = await stack.open(engineer);
    const change = "update orders set status = status where id = 1 returning 'changed'";
    await ask(client, parse('s', change), sync());
    await ask(client, query('execute s'));
    await ask(client, query('begin'));
    await ask(client, bind('c', 's'), sync());
    await ask(client, query('fetch all from c'));
    await hangUp(client);
    const { decided, ended } = recorded(client);
    const ran = decided.filter((each) => ended.some((end) => end.seq === each.seq && end.state === 'ok'));
    expect(ran.map((each) => each.command)).toEqual(['BEGIN']);
  });
});

describe('the record', () => {
  it('gives every intent an outcome, also of a Query that the target skips', async () => {
    const client = await stack.open(contractor);
    await ask(client, bind('', 'none'), query('select 1'), sync());
    await ask(client, query('select 2'));
    await hangUp(client);
    const { decided, ended } = recorded(client);
    expect(decided.map((each) => each.seq)).toEqual(ended.map((each) => each.seq));
    expect(ended.map((each) => each.state)).toEqual(['interrupted', 'ok']);
  });

  it('holds what is copied in, also when an earlier statement fails meanwhile', async () => {
    const client = await stack.open(engineer);
    client.socket.write(
      Buffer.concat([
        query('select pg_sleep(0.2), 1/0'),
        query('copy orders (id) from stdin'),
        packet('d', 'first-half and '),
      ]),
    );
    await answers(client, 1);
    client.socket.write(Buffer.concat([packet('d', 'second-half\n'), packet('c')]));
    await answers(client, 1);
    await hangUp(client);
    expect(recorded(client).content).toContain('first-half and second-half');
  });

  it('keeps the data of two COPYs of one text apart', async () => {
    const client = await stack.open(engineer);
    client.socket.write(
      Buffer.concat([
        query('copy orders (id) from stdin; copy support_messages (id) from stdin'),
        packet('c'),
        packet('d', 'for the second'),
        packet('c'),
      ]),
    );
    await answers(client, 1);
    await hangUp(client);
    const { ended } = recorded(client);
    expect(ended.map((each) => [each.seq, each.state])).toEqual([
      [1, 'ok'],
      [2, 'error'],
    ]);
    const content = stack.journal(client.session).filter((each) => each.kind === 'content');
    for (const each of content)
      if (each.kind === 'content' && each.stream === 'copy-in') expect(each.seq).toBe(2);
  });
});

describe('an honest client', () => {
  it('may send the Sync of a COPY by Execute before or behind its data, or both', async () => {
    const client = await stack.open(engineer);
    for (const before of [true, false]) {
      client.socket.write(
        Buffer.concat([
          parse('', 'copy orders (id) from stdin'),
          bind('', ''),
          execute(''),
          ...(before ? [sync()] : []),
          packet('f', 'changed my mind\0'),
          sync(),
        ]),
      );
      const messages = await answers(client, 1);
      expect(errorsIn(messages)).toEqual(['57014']);
      expect(shown(await ask(client, query("select 'still here'")))).toContain('still here');
    }
    await hangUp(client);
  });

  it('may use a name again after Close, in one go with its Parse', async () => {
    const client = await stack.open(contractor);
    for (let round = 0; round < 3; round += 1) {
      const messages = await ask(
        client,
        parse('s', `select 'round ${round}'`),
        bind('', 's'),
        describePortal(''),
        execute(''),
        closeStatement('s'),
        sync(),
      );
      expect(shown(messages)).toContain(`round ${round}`);
    }
    await hangUp(client);
  });

  it('keeps a statement whose name it tried to give twice', async () => {
    const client = await stack.open(contractor);
    await ask(client, parse('s', "select 'mine'"), sync());
    expect(errorsIn(await ask(client, parse('s', 'select 2'), sync()))).toEqual(['42P05']);
    expect(shown(await ask(client, bind('', 's'), execute(''), sync()))).toContain('mine');
    await hangUp(client);
  });

  it('gets rows in portions, the answers to empty texts, and its transaction’s state after a refusal', async () => {
    const client = await stack.open(contractor);
    const portions = await ask(
      client,
      parse('', 'select generate_series(1, 5)'),
      bind('', ''),
      execute('', 2),
      execute('', 2),
      execute('', 2),
      sync(),
    );
    expect(portions.map((each) => each.type).join('')).toBe('12DDsDDsDCZ');
    expect((await ask(client, query(' ; '))).map((each) => each.type).join('')).toBe('IZ');
    expect(
      (await ask(client, parse('', ''), bind('', ''), execute(''), sync())).map((e) => e.type).join(''),
    ).toBe('12IZ');
    await ask(client, query('begin'));
    const refused = await ask(client, query('delete from orders'));
    expect(errorsIn(refused)).toEqual(['42501']);
    expect(refused.at(-1)?.body.toString()).toBe('E');
    expect(errorsIn(await ask(client, query('select 1')))).toEqual(['25P02']);
    expect((await ask(client, query('rollback'))).at(-1)?.body.toString()).toBe('I');
    await hangUp(client);
  });
});

describe('a session', () => {
  it('answers 20,000 pipelined statements in order', async () => {
    const client = await stack.open(contractor);
    const count = 20_000;
    const parts: Buffer[] = [];
    for (let n = 0; n < count; n += 1)
      parts.push(parse('', `select ${n}`), bind('', ''), execute(''), ...(n % 50 === 49 ? [sync()] : []));
    client.socket.write(Buffer.concat(parts));
    const rows: string[] = [];
    for (let left = count / 50; left > 0; left -= 1)
      for (const message of await client.socket.messagesUntil('Z'))
        if (message.type === 'D') rows.push(message.body.subarray(6).toString());
    expect(rows).toHaveLength(count);
    expect(rows.every((each, index) => each === String(index))).toBe(true);
    await hangUp(client);
    const { decided, ended } = recorded(client);
    expect(decided).toHaveLength(count);
    expect(ended.map((each) => each.seq)).toEqual(decided.map((each) => each.seq));
  });

  it('carries 1,600 columns, and a row of 60 MB', async () => {
    const client = await stack.open(contractor);
    const columns = Array.from({ length: 1600 }, (_, index) => `${index} as c${index}`);
    const wide = await ask(client, query(`select ${columns.join(', ')}`));
    expect(wide.find((each) => each.type === 'D')?.body.readInt16BE(0)).toBe(1600);
    client.stream.removeAllListeners('data');
    let bytes = 0;
    const whole = new Promise<void>((resolve) => {
      client.stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > 60_000_000 && chunk.at(-1) === 0x49) resolve();
      });
    });
    client.socket.write(query("select repeat('x', 60000000)"));
    await whole;
    expect(bytes).toBeGreaterThan(60_000_000);
    client.stream.destroy();
    await client.over;
  });

  it('goes on with what follows an error that the client was told of before it sent its Sync', async () => {
    const client = await stack.open(contractor);
    client.socket.write(bind('', 'none'));
    expect((await client.socket.message()).type).toBe('E');
    const rest = await ask(client, parse('s', harmless), bind('', 's'), execute(''), sync());
    expect(rest.map((each) => each.type).join('')).toBe('Z');
    expect(errorsIn(await ask(client, bind('', 's'), sync()))).toEqual(['26000']);
    expect(shown(await ask(client, query(harmless)))).toContain('harmless');
    await hangUp(client);
  });

  it('survives whatever a client sends, and so do the others', async () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
    const random = generator(seed);
    const neighbour = await stack.open(contractor);
    for (let round = 0; round < 15; round += 1) {
      const client = await stack.open(engineer);
      const parts: Buffer[] = [];
      for (let left = 30; left > 0; left -= 1) parts.push(randomFrontend(random));
      const bytes = Buffer.concat(parts);
      if (round % 2 === 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + Math.floor(random() * 200);
        client.stream.write(bytes.subarray(at, next));
        at = next;
        if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
      }
      client.stream.end();
      client.stream.resume();
      await client.over;
      const { decided, ended } = recorded(client);
      const allowed = decided.filter((each) => each.decision === 'allowed').map((each) => each.seq);
      expect(
        ended.map((each) => each.seq).sort((a, b) => a - b),
        `seed ${seed}, round ${round}`,
      ).toEqual(allowed);
    }
    expect(shown(await ask(neighbour, query(harmless)))).toContain('harmless');
    await hangUp(neighbour);
  });

  it('survives a hostile target, and shows nothing that it did not understand', async () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
    const random = generator(seed);
    for (let round = 0; round < 30; round += 1) {
      const target = await hostileTarget(stack.socketDirectory, (socket) => {
        for (let left = 1 + Math.floor(random() * 6); left > 0; left -= 1)
          socket.write(randomBackend(random));
        if (random() < 0.3) socket.end();
      });
      const client = await stack.open(contractor, { target: target.address });
      client.socket.write(query('select full_name from customers'));
      client.socket.write(Buffer.concat([parse('s', leaky), bind('', 's'), execute(''), sync()]));
      // The target has spoken when the gateway, or it, ends the session; or it waits, and then the client leaves.
      await Promise.race([client.over, target.spoken]);
      client.stream.destroy();
      await client.over;
      const text = client.heard().toString('latin1');
      expect(text, `seed ${seed}, round ${round}`).not.toContain(secret);
      await target.close();
    }
  });
});

/** Mulberry32: small, and the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}

function randomFrontend(random: () => number): Buffer {
  const name = (): string => pick(random, ['', 's', 't', 'c']);
  const text = (): string =>
    pick(random, [
      harmless,
      leaky,
      'select 1/0',
      'begin',
      'rollback',
      'savepoint x',
      'rollback to x',
      'commit',
      'delete from nowhere',
      'drop table customers',
      'copy orders (id) from stdin',
      'copy (select full_name from customers limit 3) to stdout',
      `prepare s as ${leaky}`,
      'execute s',
      'deallocate s',
      `declare c cursor for ${leaky}`,
      'fetch all from c',
      'close c',
      'discard all',
      "set search_path = 'public'",
      ';',
      'not SQL',
      'select 1; select 2; select 1/0; select 3',
    ]);
  return pick(random, [
    () => query(text()),
    () => parse(name(), text()),
    () => parse(name(), text()),
    () => bind(name(), name()),
    () => bind(name(), name()),
    () => execute(name(), Math.floor(random() * 3)),
    () => execute(name()),
    () => describePortal(name()),
    () => packet('D', `S${name()}\0`),
    () => closeStatement(name()),
    () => closePortal(name()),
    () => sync(),
    () => sync(),
    () => packet('H'),
    () => packet('d', '1\n'),
    () => packet('c'),
    () => packet('f', 'no\0'),
    () => packet('F', Buffer.alloc(10)),
  ])();
}

function randomBackend(random: () => number): Buffer {
  const value = Buffer.from(secret);
  const length = Buffer.alloc(4);
  length.writeInt32BE(value.length);
  const row = packet('D', Buffer.from([0, 1]), length, value);
  const column = Buffer.alloc(18);
  const field = (name: string): Buffer => packet('T', Buffer.from([0, 1]), `${name}\0`, column);
  return pick(random, [
    () => row,
    () => packet('D', Buffer.from([0, 2]), length, value),
    () => packet('D', Buffer.from([0xff, 0xff])),
    () => field('x'),
    () => packet('T', Buffer.from([0, 0])),
    () => packet('C', 'SELECT 1\0'),
    () => packet('Z', 'I'),
    () => packet('Z', 'T'),
    () => packet('1'),
    () => packet('2'),
    () => packet('3'),
    () => packet('n'),
    () => packet('s'),
    () => packet('I'),
    () => packet('t', Buffer.from([0, 0])),
    () => packet('E', 'SERROR\0C22P02\0M', secret, '\0\0'),
    () => packet('E', 'SERROR\0C42601\0RopenTable\0M', secret, '\0D', secret, '\0\0'),
    () => packet('H', Buffer.from([0, 0, 1, 0, 0])),
    () => packet('G', Buffer.from([0, 0, 1, 0, 0])),
    () => packet('W', Buffer.from([0, 0, 1, 0, 0])),
    () => packet('d', `${secret}\n`),
    () => packet('c'),
    () => packet('S', 'client_encoding\0LATIN1\0'),
    () => packet('K', Buffer.alloc(8)),
    () => packet('R', Buffer.alloc(4)),
    () => packet('V', length, value),
    () => Buffer.from(secret),
    () => Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff]),
  ])();
}
