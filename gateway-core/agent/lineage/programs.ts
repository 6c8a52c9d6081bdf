import type { Execution } from './facts.js';
import { identitiesOf } from './identities.js';

/** A program that acts on its own behalf below a person. */
export interface AgentProgram {
  readonly name: string;
  /**
   * What it is called: the file that is executed (`goose`), the package of a script (`@openai/codex`) or a Python
   * module (`aider`). Whole names, never patterns.
   */
  readonly match: readonly string[];
}

interface KnownProgram extends AgentProgram {
  /** Where others have the same name: whether these words behind it are the agent's. */
  readonly when?: (words: readonly string[]) => boolean;
}

const verbIn =
  (...verbs: string[]) =>
  (words: readonly string[]): boolean =>
    verbs.includes(words.find((word) => !word.startsWith('-')) ?? '');

const known: readonly KnownProgram[] = [
  { name: 'claude', match: ['claude', 'claude-code', '@anthropic-ai/claude-code'] },
  { name: 'codex', match: ['codex', 'codex-cli', 'codex-tui', '@openai/codex'] },
  { name: 'gemini', match: ['gemini', 'gemini-cli', '@google/gemini-cli'] },
  { name: 'qwen', match: ['qwen', 'qwen-code', '@qwen-code/qwen-code'] },
  { name: 'cursor-agent', match: ['cursor-agent'] },
  { name: 'aider', match: ['aider', 'aider-chat'] },
  { name: 'opencode', match: ['opencode', 'opencode-ai'] },
  {
    name: 'goose',
    match: ['goose'],
    // The migration tool of that name takes a driver or `up`.
    when: (words) =>
      words.length === 0 ||
      verbIn('session', 's', 'run', 'r', 'web', 'acp', 'mcp', 'recipe', 'schedule')(words),
  },
  { name: 'goose', match: ['goosed', 'goose-cli', 'goose-server'] },
  {
    name: 'copilot',
    match: ['copilot'],
    // The tool for AWS of that name.
    when: (words) =>
      !verbIn(
        'app',
        'env',
        'svc',
        'job',
        'task',
        'pipeline',
        'init',
        'deploy',
        'storage',
        'secret',
        'run',
      )(words),
  },
  { name: 'copilot', match: ['copilot-cli', 'github-copilot-cli', '@github/copilot'] },
  { name: 'crush', match: ['crush', '@charmland/crush'] },
  {
    name: 'amp',
    match: ['amp'],
    // The editor of that name takes files.
    when: (words) =>
      !words.some((word) => !word.startsWith('-')) ||
      verbIn('threads', 't', 'login', 'mcp', 'tools', 'review', 'permissions')(words),
  },
  { name: 'amp', match: ['@sourcegraph/amp'] },
  { name: 'cline', match: ['cline', 'cline-core', 'cline-host'] },
  { name: 'openhands', match: ['openhands', 'openhands-ai', 'openhands-cli', 'openhands_cli'] },
  { name: 'continue', match: ['@continuedev/cli'] },
  {
    name: 'droid',
    match: ['droid', 'factory-droid'],
    when: (words) => !words.some((word) => word.endsWith('.jar')),
  },
  { name: 'amazon-q', match: ['qchat', 'amazon-q', 'amazon-q-developer-cli'] },
  // `q` is also a database's and a text tool's.
  { name: 'amazon-q', match: ['q'], when: verbIn('chat', 'agent', 'mcp') },
  { name: 'kiro', match: ['kiro', 'kiro-cli', 'kiro-cli-chat'] },
  { name: 'auggie', match: ['auggie', '@augmentcode/auggie'] },
  { name: 'plandex', match: ['plandex', 'pdx'] },
  { name: 'codebuff', match: ['codebuff'] },
  { name: 'kimi', match: ['kimi', 'kimi-cli'] },
  { name: 'vibe', match: ['mistral-vibe'] },
  { name: 'junie', match: ['junie'] },
  { name: 'swe-agent', match: ['sweagent', 'swe-agent', 'mini-swe-agent'] },
  { name: 'open-interpreter', match: ['open-interpreter'] },
];

/**
 * Which agent this process is, by what it executes and not by what it reads: `vim codex` is none. `own` comes before
 * the table. A process can hide from this; what it cannot hide is whose child it is.
 */
export function recognise(execution: Execution, own: readonly AgentProgram[] = []): string | undefined {
  const { names, words } = identitiesOf(execution);
  const programs: readonly KnownProgram[] = [...own, ...known];
  return programs.find(
    ({ match, when }) => match.some((each) => names.has(each)) && (when === undefined || when(words)),
  )?.name;
}
