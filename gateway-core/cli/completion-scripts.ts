import { type CommandSpec, groups, specs } from './specs.js';

/** A completion script for bash, zsh or fish; undefined for any other shell. */
export function completionScript(shell: string): string | undefined {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return zsh();
    case 'fish':
      return fish();
    default:
      return undefined;
  }
}

const shown = specs.filter(({ hidden }) => hidden !== true);

/** Every path of words that something may follow, with the words that may. */
function words(): Map<string, string[]> {
  const following = new Map<string, string[]>();
  for (const { name } of shown) {
    const path = name.split(' ');
    path.forEach((word, at) => {
      const before = path.slice(0, at).join(' ');
      const known = following.get(before) ?? [];
      if (!known.includes(word)) known.push(word);
      following.set(before, known);
    });
  }
  return following;
}

function optionNames({ options = [] }: CommandSpec): string[] {
  return [...options.map(({ flags }) => flags.split(' ')[0] ?? ''), '--help'];
}

type Completes = 'connections' | 'sessions' | 'agents' | 'files' | readonly string[] | undefined;

/** What the first argument of a command may be. */
function firstArgument(spec: CommandSpec): Completes {
  return spec.arguments?.[0]?.completes;
}

function describe(path: string): string {
  return specs.find(({ name }) => name === path)?.summary ?? groups[path] ?? '';
}

/** In POSIX single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `throughline a b`: the words before the cursor that are part of a command's name. */
function pathPatterns(): string[] {
  return [...new Set([...words().keys(), ...shown.map(({ name }) => name)])].filter((path) => path !== '');
}

/** Between commas, so that a path is found as a whole or not at all. */
function knownPaths(): string {
  return `,${pathPatterns().join(',')},`;
}

function bash(): string {
  const cases = ['', ...pathPatterns()].map((path) => {
    const spec = shown.find(({ name }) => name === path);
    const following = words().get(path) ?? [];
    const offered = [...following, ...(spec === undefined ? ['--help'] : optionNames(spec))].join(' ');
    return `    ${quoted(path)}) words=${quoted(offered)}; kind=${quoted(kindOf(spec))} ;;`;
  });
  return `# throughline completion for bash: source <(throughline completion bash)
_throughline() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path='' words='' kind='' word i
  local known=${quoted(knownPaths())}
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -- ]] && { COMPREPLY=(); compopt -o default; return; }
    [[ $known == *",\${path:+$path }$word,"* ]] && path="\${path:+$path }$word"
  done
  case $path in
${cases.join('\n')}
  esac
  if [[ $cur != -* ]]; then
    case $kind in
      connections | sessions | agents) words+=" $(throughline __complete "$kind" 2>/dev/null | tr '\\n' ' ')" ;;
      files) compopt -o default ;;
      ?*) words+=" $kind" ;;
    esac
  fi
  COMPREPLY=()
  for word in $words; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}
complete -F _throughline throughline
`;
}

function kindOf(spec: CommandSpec | undefined): string {
  const completes = spec === undefined ? undefined : firstArgument(spec);
  if (completes === undefined) return '';
  return typeof completes === 'string' ? completes : completes.join(' ');
}

function zsh(): string {
  const cases = ['', ...pathPatterns()].map((path) => {
    const spec = shown.find(({ name }) => name === path);
    const lines = (words().get(path) ?? []).map((word) => {
      return described(word, describe(path === '' ? word : `${path} ${word}`));
    });
    for (const { flags, summary } of spec?.options ?? []) {
      lines.push(described(flags.split(' ')[0] ?? '', summary));
    }
    lines.push(described('--help', 'show help'));
    return `    ${quoted(path)}) choices=(${lines.join(' ')}); kind=${quoted(kindOf(spec))} ;;`;
  });
  return `#compdef throughline
# throughline completion for zsh: put it into a directory of $fpath as _throughline
_throughline() {
  local path_words='' kind='' word
  local -a choices names
  local known=${quoted(knownPaths())}
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -- ]] && { _normal; return }
    [[ $known == *",\${path_words:+$path_words }$word,"* ]] && path_words="\${path_words:+$path_words }$word"
  done
  case $path_words in
${cases.join('\n')}
  esac
  _describe 'throughline' choices
  case $kind in
    connections | sessions | agents)
      names=(\${(f)"$(throughline __complete $kind 2>/dev/null)"})
      compadd -a names ;;
    files) _files ;;
    ?*) compadd -- \${=kind} ;;
  esac
}
_throughline "$@"
`;
}

/** \`word:summary\` as _describe reads it. */
function described(word: string, summary: string): string {
  return quoted(`${word.replaceAll(':', '\\:')}:${summary}`);
}

function fish(): string {
  const lines: string[] = [];
  for (const [before, following] of words()) {
    for (const word of following) {
      const path = before === '' ? word : `${before} ${word}`;
      lines.push(
        `complete -c throughline -n ${condition(before)} -a ${quoted(word)} -d ${fishQuoted(describe(path))}`,
      );
    }
  }
  for (const spec of shown) {
    lines.push(...fishOptions(spec), ...fishArgument(spec));
  }
  return `# throughline completion for fish: ~/.config/fish/completions/throughline.fish
function __throughline_at
    set -l path ''
    set -l known ${pathPatterns().map(quoted).join(' ')}
    for word in (commandline -opc)[2..]
        set -l longer (string trim -- "$path $word")
        contains -- $longer $known; and set path $longer
    end
    test "$path" = "$argv"
end
complete -c throughline -f
${lines.join('\n')}
`;
}

function condition(path: string): string {
  return quoted(path === '' ? '__throughline_at' : `__throughline_at ${path}`);
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}

function fishOptions(spec: CommandSpec): string[] {
  return (spec.options ?? []).map(({ flags, summary, completes }) => {
    const [name = '', value] = flags.split(' ');
    const takes = value === undefined ? '' : completes === 'files' ? ' -r -F' : ' -x';
    const offered = Array.isArray(completes) ? ` -a ${quoted(completes.join(' '))}` : '';
    return `complete -c throughline -n ${condition(spec.name)} -l ${name.slice(2)}${takes}${offered} -d ${fishQuoted(summary)}`;
  });
}

function fishArgument(spec: CommandSpec): string[] {
  const completes = firstArgument(spec);
  if (completes === undefined) return [];
  const line = `complete -c throughline -n ${condition(spec.name)}`;
  if (completes === 'files') return [`${line} -F`];
  if (typeof completes === 'string')
    return [`${line} -a '(throughline __complete ${completes} 2>/dev/null)'`];
  return [`${line} -a ${quoted(completes.join(' '))}`];
}
