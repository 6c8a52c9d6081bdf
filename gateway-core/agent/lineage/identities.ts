import type { Execution } from './facts.js';

/** What a process executes, by every name that it goes by, and the words behind that. */
export interface Identities {
  readonly names: ReadonlySet<string>;
  readonly words: readonly string[];
}

const interpreters =
  /^(?:node|nodejs|bun|deno|python[\d.]*|pypy[\d.]*|ruby[\d.]*|perl[\d.]*|(?:ba|da|z|k)?sh|electron)$/;
/** Programs that run a package, with the words that lead to it. */
const runners: Readonly<Record<string, readonly (readonly string[])[]>> = {
  npx: [[]],
  npm: [['exec'], ['x']],
  pnpx: [[]],
  pnpm: [['dlx'], ['exec']],
  yarn: [['dlx']],
  bunx: [[]],
  bun: [['x']],
  uvx: [[]],
  uv: [['tool', 'run'], ['x']],
  pipx: [['run']],
};
/** Their flags that take the next word. */
const runnerFlagsWithValue = /^(?:-p|--package|-c|--call|--from|--with|--python|--spec|--index-url)$/;
const flagsWithValue =
  /^(?:-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--title|--env-file|-W|-X|-I|--config|-o|-O)$/;
const inlineProgram = /^(?:-[a-z]*[ce]|-p|--eval|--print)$/;
/** Names of files and folders that say nothing about what is in them. */
const meaningless =
  /^(?:cli|index|main|bin|app|start|run|__main__|dist|build|lib|libexec|src|out|esm|cjs|versions|current)$/;
const version = /^v?\d+(?:[.-][\w.+-]*)?$/;

export function identitiesOf({ exe, name, words: all }: Execution): Identities {
  // A program that set its title has one word with spaces in it: `npm exec @openai/codex`.
  const words = all.length === 1 && (all[0] ?? '').includes(' ') ? (all[0] ?? '').split(' ') : all;
  const [first = '', ...rest] = words;
  const title = baseOf(first.replace(/^-/, ''));
  const executed = exe === undefined ? title : (namesOf(exe)[0] ?? '');
  const runner = packageRun(isInterpreter(executed) && runners[title] === undefined ? rest : words);
  if (runner !== undefined) return runner;
  if (!isInterpreter(executed))
    return { names: new Set(exe === undefined ? [title] : namesOf(exe)), words: rest };
  const script = scriptOf(executed, rest);
  // Where an interpreter is executed, a title that is not the interpreter's is what the script calls itself.
  const titles = isInterpreter(title)
    ? []
    : [title, name].filter((each) => each !== '' && !isInterpreter(each));
  return { names: new Set([...(script?.names ?? []), ...titles]), words: script?.words ?? rest };
}

function isInterpreter(name: string): boolean {
  return interpreters.test(name);
}

function baseOf(path: string): string {
  return (path.split(/[\\/]/).at(-1) ?? '').replace(/\.exe$/i, '');
}

/**
 * By its file, or if that says nothing (`cli.js`, `2.0.1`), by the next folder that does; and by its package. A folder
 * that holds no versions may be anyone's project, so it counts only under a name that nobody gives by chance.
 */
function namesOf(path: string): string[] {
  const parts = path.replace(/ \(deleted\)$/, '').split(/[\\/]/);
  const names: string[] = [];
  let isFolder = false;
  let isVersioned = false;
  for (const part of parts.reverse()) {
    const name = part.replace(/\.(?:exe|[cm]?[jt]s|pyz?|rb|pl|sh)$/i, '');
    if (name !== '' && !meaningless.test(name) && !version.test(name)) {
      if (!isFolder || isVersioned || name.includes('-')) names.push(name);
      break;
    }
    isFolder = true;
    isVersioned ||= version.test(name);
  }
  const packaged = /^.*\/(?:node_modules|site-packages|dist-packages)\/(@[^/]+\/[^/]+|[^/@]+)\//.exec(
    path,
  )?.[1];
  return packaged === undefined ? names : [...names, packaged];
}

/** `npx -y @openai/codex@latest`, also as `node /usr/bin/npx ...`. */
function packageRun(words: readonly string[]): Identities | undefined {
  const [first = '', ...rest] = words;
  for (const lead of runners[baseOf(first).replace(/(?:-cli)?\.[cm]?js$/, '')] ?? []) {
    if (!lead.every((word, at) => rest[at] === word)) continue;
    const from = rest.slice(lead.length);
    const at = positional(from, runnerFlagsWithValue);
    const name = from[at];
    if (name === undefined) return { names: new Set(), words: [] };
    return { names: new Set([withoutVersion(name)]), words: from.slice(at + 1) };
  }
  return undefined;
}

/** Names what an interpreter was told to run; undefined for a program in its own arguments, or none. */
function scriptOf(interpreter: string, words: readonly string[]): Identities | undefined {
  const from = /^(?:bun|deno)$/.test(interpreter) && words[0] === 'run' ? words.slice(1) : words;
  for (let at = 0; at < from.length; at++) {
    const word = from[at] ?? '';
    const next = from[at + 1] ?? '';
    if (/^(?:python|pypy)/.test(interpreter) && word === '-m')
      return { names: new Set([next, next.split('.')[0] ?? '']), words: from.slice(at + 2) };
    if (inlineProgram.test(word)) return undefined;
    if (flagsWithValue.test(word)) at++;
    else if (word.startsWith('npm:'))
      return { names: new Set([withoutVersion(word.slice(4))]), words: from.slice(at + 1) };
    else if (!word.startsWith('-')) return { names: new Set(namesOf(word)), words: from.slice(at + 1) };
  }
  return undefined;
}

function positional(words: readonly string[], withValue: RegExp): number {
  let at = 0;
  while (at < words.length && (words[at] ?? '').startsWith('-'))
    at += withValue.test(words[at] ?? '') ? 2 : 1;
  return at;
}

/** `@scope/name@1.2` and `name==1.2` name a package. */
function withoutVersion(name: string): string {
  return name.replace(/(?<=.)@[^/]*$|[=<>~!].*$/, '');
}
