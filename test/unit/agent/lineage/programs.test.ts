import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { factsOf } from '../../../../gateway-core/agent/lineage/facts.js';
import { openProc } from '../../../../gateway-core/agent/lineage/proc.js';
import { type AgentProgram, recognise } from '../../../../gateway-core/agent/lineage/programs.js';
import { fakeProc } from './fake-proc.js';

const node = '/usr/bin/node';
const python = '/usr/bin/python3.12';

/** Expected, exe, words, and what `comm` is where it is not the executed file. */
type Row = readonly [string | undefined, string | undefined, readonly string[], string?];

function named([, exe, words, name]: Row, own: readonly AgentProgram[] = []): string | undefined {
  const comm = name ?? exe?.split('/').at(-1) ?? words[0] ?? '';
  return recognise({ exe, name: comm, words }, own);
}

const titled = (rows: readonly Row[]): { title: string; row: Row }[] =>
  rows.map((row) => ({ title: `${row[0] ?? 'none'}: ${row[1] ?? '?'} ${row[2].join(' ')}`, row }));

const agents: readonly Row[] = [
  ['claude', node, ['node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js', '--resume']],
  ['claude', node, ['node', '/opt/tools/claude-code/cli.js']],
  ['claude', node, ['node', '--no-warnings', '--enable-source-maps', '/home/a/.npm-global/bin/claude']],
  ['claude', node, ['claude'], 'claude'],
  ['claude', '/home/a/.local/share/claude/versions/2.0.14', ['claude', '-p', 'hello'], 'claude'],
  ['claude', '/home/a/.local/bin/claude (deleted)', ['claude'], 'claude'],
  ['claude', undefined, ['/home/a/.local/bin/claude']],
  ['codex', '/usr/local/bin/codex', ['codex', 'exec', 'do it']],
  ['codex', '/usr/lib/node_modules/@openai/codex/vendor/x86_64-unknown-linux-musl/codex/codex', ['codex']],
  ['codex', node, ['npm exec @openai/codex'], 'npm exec @opena'],
  ['codex', node, ['node', '/usr/bin/npx', '@openai/codex']],
  ['codex', node, ['node', '/usr/lib/node_modules/npm/bin/npx-cli.js', '-y', '@openai/codex@latest', 'exec']],
  ['codex', undefined, ['npx', '@openai/codex']],
  ['codex', '/usr/bin/deno', ['deno', 'run', '-A', 'npm:@openai/codex@1']],
  [
    'gemini',
    node,
    ['node', '/home/a/.nvm/versions/node/v22.1.0/lib/node_modules/@google/gemini-cli/dist/index.js'],
  ],
  ['gemini', '/usr/bin/bun', ['bun', 'x', '@google/gemini-cli']],
  [
    'cursor-agent',
    '/home/a/.local/share/cursor-agent/versions/2025.09.18-7ae6800/node',
    [
      '/home/a/.local/bin/cursor-agent',
      '--use-system-ca',
      '/home/a/.local/share/cursor-agent/versions/2025.09.18-7ae6800/index.js',
    ],
  ],
  ['aider', python, ['python3', '-m', 'aider', '--model', 'x']],
  ['aider', python, ['python3', '-X', 'utf8', '-m', 'aider.main']],
  ['aider', python, ['/home/a/venv/bin/python', '/home/a/venv/bin/aider']],
  ['aider', '/usr/bin/uv', ['uv', 'tool', 'run', '--from', 'aider-chat', 'aider']],
  ['aider', '/usr/bin/uvx', ['uvx', 'aider-chat==0.80']],
  ['opencode', '/home/a/.opencode/bin/opencode', ['opencode']],
  ['goose', '/usr/bin/goose', ['goose', 'session']],
  ['goose', '/usr/bin/goose', ['goose']],
  ['copilot', node, ['node', '/usr/lib/node_modules/@github/copilot/index.js']],
  ['copilot', '/usr/bin/copilot', ['copilot', '-p', 'x']],
  ['crush', '/usr/bin/crush', ['crush']],
  ['amp', node, ['node', '/usr/lib/node_modules/@sourcegraph/amp/dist/main.js']],
  ['amp', '/home/a/.amp/bin/amp', ['amp', 'threads', 'list']],
  ['cline', node, ['node', '/usr/bin/cline']],
  ['openhands', python, ['python', '-m', 'openhands.cli.main']],
  ['openhands', python, ['python', '/venv/lib/python3.12/site-packages/openhands/__main__.py']],
  ['continue', node, ['node', '/usr/lib/node_modules/@continuedev/cli/dist/cn.js']],
  ['droid', '/home/a/.local/bin/droid', ['droid', 'exec']],
  ['amazon-q', '/usr/bin/q', ['q', 'chat']],
  ['amazon-q', '/usr/bin/qchat', ['qchat', 'chat']],
  ['kiro', '/usr/bin/kiro-cli', ['kiro-cli']],
];

const others: readonly Row[] = [
  [undefined, '/usr/bin/cat', ['cat', 'claude.txt']],
  [undefined, '/usr/bin/vim', ['vim', 'codex']],
  [undefined, '/usr/bin/vim', ['vim', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js']],
  [undefined, '/usr/bin/man', ['man', 'claude']],
  [undefined, '/usr/bin/grep', ['grep', '-r', 'aider', '.']],
  [undefined, '/usr/bin/tail', ['tail', '-f', '/var/log/codex']],
  [undefined, '/usr/bin/git', ['git', 'clone', 'https://example.com/claude']],
  [undefined, '/usr/bin/bash', ['bash', '-c', 'echo claude']],
  [undefined, '/usr/bin/bash', ['-bash']],
  [undefined, '/usr/bin/bash', ['bash', '-lc', 'claude --version']],
  [undefined, node, ['node', '-e', 'codex']],
  [undefined, node, ['node', 'server.js', 'claude']],
  [undefined, node, ['node', '/home/claude/project/server.js']],
  [undefined, node, ['node', '/home/a/codex/server.js']],
  [undefined, node, ['node', '/home/a/codex/dist/index.js']],
  [undefined, node, ['node', '--require', 'claude', 'server.js']],
  [undefined, node, ['npm install @openai/codex'], 'npm install @op'],
  [undefined, node, ['npm run codex'], 'npm run codex'],
  [undefined, python, ['python3', '-c', 'import aider']],
  [undefined, python, ['python3', '-m', 'pip', 'install', 'aider']],
  [undefined, python, ['python3', 'script.py', '-m', 'aider']],
  [undefined, '/usr/bin/pip', ['pip', 'install', 'aider-chat']],
  [undefined, '/usr/bin/psql', ['claude', '-h', 'db'], 'psql'],
  [undefined, '/usr/bin/goose', ['goose', 'postgres', 'user=a', 'up']],
  [undefined, '/usr/bin/goose', ['goose', '-dir', 'migrations', 'up']],
  [undefined, '/usr/bin/copilot', ['copilot', 'svc', 'deploy']],
  [undefined, '/usr/bin/amp', ['amp', 'notes.txt']],
  [undefined, '/usr/bin/q', ['q', '-H', 'SELECT 1']],
  [undefined, '/usr/bin/q', ['q']],
  [undefined, '/usr/bin/cn', ['cn']],
  [undefined, '/usr/bin/ssh', ['ssh', 'host', 'claude']],
  [undefined, '/usr/bin/docker', ['docker', 'run', 'claude']],
  [undefined, undefined, [], ''],
  [undefined, node, [], 'node'],
];

describe('an agent is recognised by what it executes', () => {
  test.each(titled(agents))('$title', ({ row }) => {
    expect(named(row)).toBe(row[0]);
  });
});

describe('an agent is recognised whatever is shown of it', () => {
  const factsOfWords = (words: readonly string[]) => {
    const proc = openProc(fakeProc({ 7: { parent: 1, exe: node, cmdline: `${words.join('\0')}\0` } }).root);
    const stat = proc.stat(7);
    if (stat === undefined) throw new Error('there is one');
    return factsOf(proc, stat, recognise);
  };

  // mkdtemp's folders look like keys now and then: one in a hundred runs of an agent was taken for its person.
  test('in a folder whose name is hidden', () => {
    const folders = Array.from({ length: 50 }, () => `/home/a/${randomBytes(40).toString('base64url')}`);
    for (const folder of folders) {
      const facts = factsOfWords(['node', `${folder}/claude`]);
      expect(facts).toMatchObject({ agent: 'claude' });
      expect(JSON.stringify(facts)).not.toContain(folder);
    }
  });

  test('behind more flags than are kept', () => {
    const flags = Array.from({ length: 200 }, (_, at) => `--flag-${at}`);
    const facts = factsOfWords(['node', ...flags, '/opt/bin/claude']);
    expect(facts.agent).toBe('claude');
    expect(facts.arguments.join(' ')).not.toContain('claude');
  });
});

describe('a program that only mentions one is none', () => {
  test.each(titled(others))('$title', ({ row }) => {
    expect(named(row)).toBeUndefined();
  });
});

describe('a list of one’s own', () => {
  const own = [{ name: 'house-bot', match: ['bot', '@acme/bot', 'acme_bot'] }];

  const rows: readonly Row[] = [
    ['house-bot', '/opt/acme/bin/bot', ['bot']],
    ['house-bot', node, ['node', '/srv/node_modules/@acme/bot/dist/index.js']],
    ['house-bot', python, ['python3', '-m', 'acme_bot']],
    [undefined, '/usr/bin/robot', ['robot']],
    [undefined, '/usr/bin/vim', ['vim', 'bot']],
  ];
  test.each(titled(rows))('adds to it: $title', ({ row }) => {
    expect(named(row, own)).toBe(row[0]);
    expect(named(row)).toBeUndefined();
  });

  test('comes before the table', () => {
    const row: Row = ['mine', '/usr/bin/claude', ['claude']];
    expect(named(row, [{ name: 'mine', match: ['claude'] }])).toBe('mine');
  });
});
