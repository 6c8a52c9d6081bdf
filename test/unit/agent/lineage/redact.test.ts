import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineageLimits } from '../../../../gateway-core/agent/lineage/limits.js';
import { redactArguments } from '../../../../gateway-core/agent/lineage/redact.js';

const line = (words: readonly string[]): string => redactArguments(words).join(' ');

describe('what is no secret stays readable', () => {
  test.each<readonly string[]>([
    ['psql', '-h', '127.0.0.1', '-p', '5432', '-U', 'alice', 'shop'],
    ['psql', '-c', "SELECT id, email FROM customers WHERE name = 'O''Brien' ORDER BY \"createdAt\" LIMIT 10"],
    ['psql', '-c', 'SELECT password, token FROM users WHERE id IN (1, 2, 3) GROUP BY token'],
    ['psql', '-c', 'SELECT password::text AS p FROM users'],
    ['psql', 'postgres://alice@db.example.com:5432/shop?sslmode=verify-full'],
    ['psql', 'host=127.0.0.1 port=5432 user=alice dbname=shop'],
    ['node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js', '--max-tokens', '4096'],
    [
      'node',
      './node_modules/.bin/vitest',
      'run',
      '--reporter=verbose',
      'test/unit/agent-sql/splitter.test.ts',
    ],
    ['/home/alice/.nvm/versions/node/v20.19.0/bin/node', '--max-old-space-size=4096', 'index.js'],
    ['/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', '--library-path', '/opt/app/lib'],
    ['git', 'clone', 'git@github.com:example/project.git'],
    ['git', 'clone', 'ssh://git@github.com/example/project.git'],
    ['ssh', '-i', '/home/alice/.ssh/id_ed25519', '-p', '2222', 'alice@bastion.example.com'],
    ['docker', 'run', '-u', '1000:1000', '-p', '127.0.0.1:8080:80', 'registry.example.com/team/app:v1.2.3'],
    ['curl', '-sS', '-H', 'Content-Type: application/json', 'https://example.com:8443/v1/users?mail=a@b.org'],
    [
      'tool',
      '--password-file=/run/secrets/db',
      '--token-file',
      '/run/token',
      '--no-password',
      '--author=Alice',
    ],
    ['bash', '-c', "cd /srv/app && npm run build -- --mode production | tee 'build log.txt'"],
    ['python3', '-m', 'aider', '--model', 'gpt-4o-2024-08-06', '--no-auto-commits'],
    ['throughline', 'agent', '--delegation', 'dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1'],
    [
      'f47ac10b-58cc-4372-a567-0e02b2c3d479',
      '1763715600123456789012345',
      'some_long_snake_case_identifier_name',
    ],
    [
      'kubectl',
      'get',
      'pods',
      '-n',
      'payments-production-eu-central-1',
      '-o',
      'custom-columns=NAME:.metadata.name',
    ],
  ])('%s %s %s', (...words) => {
    expect(redactArguments(words)).toEqual(words);
  });
});

describe('what is one is replaced', () => {
  test.each<[string, readonly string[]]>([
    ['mysql -uroot -p*** shop', ['mysql', '-uroot', '-phunter22', 'shop']],
    ['/usr/bin/mysqldump -p*** shop', ['/usr/bin/mysqldump', '-phunter22', 'shop']],
    ['mysqladmin -u root password ***', ['mysqladmin', '-u', 'root', 'password', 'hunter22']],
    ['docker exec db mysql -p***', ['docker', 'exec', 'db', 'mysql', '-phunter22']],
    ['docker login -p *** example.com', ['docker', 'login', '-p', 'hunter22', 'example.com']],
    ['sshpass -p *** ssh -p 22 host', ['sshpass', '-p', 'hunter22', 'ssh', '-p', '22', 'host']],
    ['redis-cli -a *** ping', ['redis-cli', '-a', 'hunter22', 'ping']],
    ['curl -u alice:*** https://x.org', ['curl', '-u', 'alice:hunter22', 'https://x.org']],
    ['curl -ualice:*** https://x.org', ['curl', '-ualice:hunter22', 'https://x.org']],
    ['curl -H Authorization: Bearer *** x.org', ['curl', '-H', 'Authorization: Bearer hunter22', 'x.org']],
    ['curl -H Authorization: Basic *** x.org', ['curl', '-H', 'Authorization: Basic aHVudGVyMg==', 'x.org']],
    ['curl --header=Authorization: Basic ***', ['curl', '--header=Authorization: Basic hunter22']],
    ['curl -H X-Api-Key: *** x.org', ['curl', '-H', 'X-Api-Key: hunter22', 'x.org']],
    ['psql postgres://alice:***@db:5432/shop', ['psql', 'postgres://alice:hunter22@db:5432/shop']],
    ['psql postgres://alice:***@db:5432/shop', ['psql', 'postgres://alice:hun/t#er@22@db:5432/shop']],
    ['git clone https://***@github.com/x/y', ['git', 'clone', 'https://hunter22@github.com/x/y']],
    ['curl https://x.org/?a=1&token=***&b=2', ['curl', 'https://x.org/?a=1&token=hunter22&b=2']],
    ['curl https://x.org/?key=***#top', ['curl', 'https://x.org/?key=hunter22#top']],
    ['env PGPASSWORD=*** psql', ['env', 'PGPASSWORD=hunter 22', 'psql']],
    [
      'bash -c PGPASSWORD=*** psql -c "SELECT 1"',
      ['bash', '-c', 'PGPASSWORD=\'hunter 22\' psql -c "SELECT 1"'],
    ],
    ['bash -lc mysql -p*** -e "SELECT 1"', ['bash', '-lc', 'mysql -p"hunter 22" -e "SELECT 1"']],
    ['psql host=db password=*** user=alice', ['psql', "host=db password='hunter 22' user=alice"]],
    ["psql -c ALTER ROLE bob PASSWORD '***'", ['psql', '-c', "ALTER ROLE bob PASSWORD 'hunter22'"]],
    ["psql -c SELECT 1 WHERE password = '***'", ['psql', '-c', "SELECT 1 WHERE password = 'hunter22'"]],
    [
      "mysql -e CREATE USER a IDENTIFIED WITH x BY '***'",
      ['mysql', '-e', "CREATE USER a IDENTIFIED WITH x BY 'hunter22'"],
    ],
    ['sqlcmd Server=db;User=sa;Password=***', ['sqlcmd', 'Server=db;User=sa;Password=hunter22;X=1']],
    ['tool --password *** *** *** -v', ['tool', '--password', '--token', '--token', 'hunter22', '-v']],
    ['helm --set db.password=***', ['helm', '--set', 'db.password=hunter22']],
    ['tool {"user": "a", "password": "***" }', ['tool', '{"user": "a", "password": "hunter22" }']],
    ['tool ***', ['tool', '-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----']],
    ['tool ***', ['tool', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl']],
    [
      'tool *** *** ***',
      [
        'tool',
        'AKIAIOSFODNN7EXAMPLE',
        'ghp_0123456789abcdefghijABCDEFGHIJ012345',
        'sk-proj-abcdefghijklmnop',
      ],
    ],
    ['tool ***', ['tool', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl']],
    ['tool --x=***', ['tool', '--x=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY']],
    [
      'tool 9f86d081884c7d65 ***',
      ['tool', '9f86d081884c7d65', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    ],
  ])('%s', (expected, words) => {
    expect(line(words)).toBe(expected);
  });
});

type Quoting = (word: string) => string;
/** How people write a word in a script. */
const quotings: Readonly<Record<string, Quoting>> = {
  single: (word) => `'${word.replaceAll("'", "'\\''")}'`,
  double: (word) => `"${word.replace(/["\\$`]/g, '\\$&')}"`,
  escaped: (word) => word.replace(/[^\w@%+=:,./-]/g, '\\$&'),
  ansi: (word) => `$'${word.replace(/['\\]/g, '\\$&')}'`,
};
const quoting = fc.constantFrom(...Object.values(quotings));

/** Where a secret stands, in words of argv. */
type Position = (secret: string) => readonly string[];
const positions: readonly Position[] = [
  (secret) => ['tool', `--password=${secret}`, '-v'],
  (secret) => ['tool', '--password', secret, '-v'],
  (secret) => ['tool', '--client-secret', secret],
  (secret) => ['tool', `--apiKey=${secret}`],
  (secret) => ['mysql', '-h', 'db', `-p${secret}`, 'shop'],
  (secret) => ['/usr/bin/mariadb-dump', `-p${secret}`],
  (secret) => ['env', `PGPASSWORD=${secret}`, 'psql', '-h', 'db'],
  (secret) => ['docker', 'run', '-e', `MYSQL_ROOT_PASSWORD=${secret}`, 'mysql'],
  (secret) => ['curl', '-H', `Authorization: Bearer ${secret}`, 'https://example.com'],
  (secret) => ['curl', '-H', `Authorization: Basic ${secret}`, 'https://example.com'],
  (secret) => ['curl', `-HX-Api-Key: ${secret}`],
  (secret) => ['curl', '--user', `alice:${secret}`],
  (secret) => ['psql', `postgres://alice:${secret}@db.example.com:5432/shop`],
  (secret) => ['tool', `--url=mongodb+srv://alice:${encodeURIComponent(secret)}@db/shop`],
  (secret) => ['curl', `https://example.com/a?b=1&access_token=${encodeURIComponent(secret)}&c=2`],
  (secret) => ['psql', `host=db password='${secret.replace(/['\\]/g, '\\$&')}' user=alice`],
  (secret) => [
    'psql',
    '-c',
    `ALTER ROLE alice PASSWORD '${secret.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`,
  ],
  (secret) => ['tool', '-d', JSON.stringify({ user: 'alice', password: secret, more: 1 })],
  (secret) => ['tool', '-d', JSON.stringify({ password: secret }, undefined, 2)],
];

const character = fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code));
const secret = fc
  .array(character, { minLength: 8, maxLength: 40 })
  .map((characters) => characters.join('').trim())
  .filter((text) => text.length >= 8);

const windowCharacters = 6;

/** Pieces of the secret that are in the output and would not be there for another secret. */
function leaks(
  position: Position,
  wrap: (words: readonly string[]) => readonly string[],
  word: string,
): string[] {
  const found = redactArguments(wrap(position(word))).join('\n');
  const without = wrap(position('')).join('\n');
  return Array.from({ length: word.length - windowCharacters + 1 }, (_, at) =>
    word.slice(at, at + windowCharacters),
  ).filter((piece) => found.includes(piece) && !without.includes(piece));
}

describe('a secret never survives', () => {
  test('in any position, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.constantFrom(...positions), secret, (position, word) => {
        expect(leaks(position, (words) => words, word)).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  test('in a script, whatever the quoting', () => {
    fc.assert(
      fc.property(fc.constantFrom(...positions), quoting, secret, (position, quote, word) => {
        const wrap = (words: readonly string[]): string[] => ['bash', '-c', words.map(quote).join(' ')];
        expect(leaks(position, wrap, word)).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  test('in a script within a script', () => {
    fc.assert(
      fc.property(fc.constantFrom(...positions), quoting, quoting, secret, (position, inner, outer, word) => {
        const wrap = (words: readonly string[]): string[] => {
          const script = words.map(inner).join(' ');
          return ['bash', '-c', ['ssh', 'host', 'sh', '-c', script].map(outer).join(' ')];
        };
        expect(leaks(position, wrap, word)).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['another key’s beginning', 'dp3rCLgZorsReyJugsei1xXuSgbpzHjVUHIsYbtLzORgqZhrsw=='],
    [
      'another key’s beginning, near its end',
      'rLmepkAF4NKJ8QcWAxFcq8rinSbgBl33vS6kveuDsV52DJ9eyJupT+NpiTPub',
    ],
    ['a secret’s name, and is no assignment', 'cp9R77s0XflyOTtDHbelStf567QQfEErjTu2xCnpwdSIg=='],
    ['a short name of one', 'VLJ6hWsG1C1v0cCCniqWyDKigWTxO3NJxREZqqMgzo1OEIb7kojTLwZtPw=='],
  ])('by itself, if it has %s in it by chance', (_what, key) => {
    for (const place of [key, `--x=${key}`, `/srv/data/${key}`, `SELECT f('${key}')`])
      expect(
        leaks(
          () => ['tool', place],
          (words) => words,
          key,
        ),
      ).toEqual([]);
  });

  test('by itself, if nobody would have chosen it', () => {
    const key = fc.uint8Array({ minLength: 30, maxLength: 60 });
    const form = fc.constantFrom('hex', 'base64', 'base64url');
    const place = fc.constantFrom<(key: string) => string>(
      (word) => word,
      (word) => `--x=${word}`,
      (word) => `/srv/data/${word}`,
      (word) => `a,${word}`,
      (word) => `SELECT f('${word}')`,
    );
    fc.assert(
      fc.property(key, form, place, (bytes, encoding, at) => {
        // Bytes that repeat are not what a key is made of.
        fc.pre(new Set(bytes).size > bytes.length * 0.8);
        const word = Buffer.from(bytes).toString(encoding);
        expect(
          leaks(
            (each) => ['tool', at(each)],
            (words) => words,
            word,
          ),
        ).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a hostile command line', () => {
  const total = (words: readonly string[]): number =>
    words.reduce((sum, word) => sum + Buffer.byteLength(word), 0);

  test('stays within its bounds, and says that there was more', () => {
    const words = Array.from({ length: 1000 }, (_, at) => `w${at}`);
    expect(redactArguments(words)).toHaveLength(lineageLimits.argumentsMax);
    expect(redactArguments(words).at(-1)).toBe('…');
    expect(redactArguments(words.slice(0, 64))).toEqual(words.slice(0, 64));
    expect(redactArguments(['a'], true)).toEqual(['a', '…']);
    const long = redactArguments(['tool', 'é'.repeat(50_000), 'x']);
    expect(total(long)).toBeLessThanOrEqual(lineageLimits.argumentsBytesMax);
    expect(long.at(-1)).toMatch(/é…$/);
  });

  test('has no control character left, nor one that turns text around', () => {
    const [word] = redactArguments(['a\u001b[2J\n\r\0\u202eb\ud800c\u009b']);
    expect(word).toBe('a\\u{1b}[2J\\u{a}\\u{d}\\u{0}\\u{202e}b\\u{d800}c\\u{9b}');
  });

  test.each([
    'a',
    '-',
    '=',
    'a=',
    'a:',
    '"',
    "'",
    '\\',
    ' ',
    'a ',
    '://',
    'http://a:1/',
    '@',
    'AKIA',
    'eyJa',
    'aeyJ',
    '-----BEGIN ',
    '--token ',
    'password = ',
    '"a\' ',
    'aB3-',
    '(((',
    'é',
  ])('of nothing but %j takes no time worth a thought', (piece) => {
    const word = piece.repeat(Math.ceil(524_288 / piece.length));
    const before = process.cpuUsage();
    redactArguments(['bash', '-c', word, word, word]);
    // The processor's time, not the clock's: others work on the same machine. In proportion to the word it is less than
    // half a second; were it to the square of it, minutes.
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000_000).toBeLessThan(10);
  });

  test('never throws, and never grows beyond its bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { maxLength: 80 }), (words) => {
        const found = redactArguments(words);
        expect(found.length).toBeLessThanOrEqual(lineageLimits.argumentsMax);
        expect(total(found)).toBeLessThanOrEqual(lineageLimits.argumentsBytesMax);
      }),
      { numRuns: 500 },
    );
  });
});
