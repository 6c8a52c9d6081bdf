import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loaders } from '../../../gateway-core/cli/loaders.js';
import { parseArguments } from '../../../gateway-core/cli/program.js';
import { specs } from '../../../gateway-core/cli/specs.js';
import { run } from './run.js';

const shown = specs.filter(({ hidden }) => hidden !== true);

async function script(shell: string): Promise<string> {
  const ran = await run(['completion', shell]);
  expect(ran).toMatchObject({ status: 0, err: '' });
  return ran.out;
}

/** What bash offers after these words; the last one is being typed. */
async function offered(words: readonly string[]): Promise<string[]> {
  const code = `
    throughline() { [ "$1 $2" = '__complete connections' ] && printf 'shop-db\\norders\\n'; }
    compopt() { :; }
    ${await script('bash')}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _throughline; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', code, 'bash', 'throughline', ...words]);
  expect(stderr).toBe('');
  return stdout.split('\n').filter(Boolean);
}

describe('completion in bash', () => {
  test.each<[string[], string[]]>([
    [['con'], ['connections', 'connect']],
    [
      ['admin', ''],
      ['connections', 'policies', 'people', 'devices', '--help'],
    ],
    [['admin', 'connections', 'a'], ['add']],
    [['sessions', 'sh'], ['show']],
    [['sessions', '--l'], ['--live']],
    [
      ['connect', ''],
      ['--native', '--port', '--json', '--gateway', '--help', 'shop-db', 'orders'],
    ],
    [['connect', 'sh'], ['shop-db']],
    [['connect', 'shop-db', '--po'], ['--port']],
    [['completion', 'z'], ['zsh']],
    [
      ['list', ''],
      ['up', 'login'],
    ],
  ])('%j', async (words, expected) => {
    const found = await offered(words);
    if (words[0] === 'list') expect(found).toEqual(expect.arrayContaining(expected));
    else expect([...found].sort()).toEqual([...expected].sort());
  });

  test('nothing of ours is offered behind --', async () => {
    expect(await offered(['exec', 'shop-db', '--', 'ps'])).toEqual([]);
  });
});

describe('completion in every shell', () => {
  test.each(['bash', 'zsh', 'fish'])(
    '%s knows every command and every option, and no hidden one',
    async (shell) => {
      const text = await script(shell);
      for (const { name, options = [] } of shown) {
        expect(text).toContain(name);
        for (const { flags } of options) expect(text).toContain(flags.split(' ')[0]?.slice(2));
      }
      expect(text.replaceAll('throughline __complete', '')).not.toContain('__complete');
    },
  );

  test('without a sign-in nothing is offered and nothing is said', async () => {
    expect(await run(['__complete', 'connections'], { env: { THROUGHLINE_HOME: '/no/such' } })).toMatchObject(
      {
        status: 0,
        out: '',
        err: '',
      },
    );
  });
});

describe('commands', () => {
  test('each has code, and all code belongs to one', () => {
    expect(Object.keys(loaders).sort()).toEqual(specs.map(({ name }) => name).sort());
  });
});

describe('help', () => {
  test.each(shown.map(({ name }) => name))(
    'of %s shows its use and an example that it accepts',
    async (name) => {
      const ran = await run([...name.split(' '), '--help']);
      expect(ran).toMatchObject({ status: 0, err: '' });
      expect(ran.out).toContain(`Usage: throughline ${name}`);
      expect(ran.out).toMatch(/Examples:\n {2}.*throughline /);
      const examples = specs.find((spec) => spec.name === name)?.examples ?? [];
      for (const example of examples) expect(ran.out).toContain(example);
    },
  );

  test.each(shown.flatMap(({ name, examples }) => examples.map((example) => [name, example] as const)))(
    'of %s names only what is accepted: %s',
    (name, example) => {
      const command = example.replace(/^source <\((.*)\)$/, '$1').replace(/ > \S+$/, '');
      const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
        ([, a, b, c]) => a ?? b ?? c ?? '',
      );
      const parsed = parseArguments(words.slice(1), '0', { out: () => undefined, columns: 80 });
      expect(parsed).toMatchObject({ kind: 'run', spec: { name } });
    },
  );

  test('commands of later releases do not appear', async () => {
    const { out } = await run(['--help']);
    for (const later of ['requests', 'approve', 'webhooks', 'jwt']) {
      expect(out).not.toContain(later);
    }
  });

  test('--json is an option of every command but completion', () => {
    for (const { name, options = [] } of shown) {
      if (name !== 'completion')
        expect(
          options.map(({ flags }) => flags),
          name,
        ).toContain('--json');
    }
  });
});
