import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandFacts } from '../../gateway-core/codec/shell/facts.js';
import { randomOf, seedOfRun } from '../sim/random.js';

/** Programs that exist for these shells. Each writes its name into a file and does nothing. */
const names = ['rm', 'ls', 'aa', 'bb'];
/** Nothing here loops, and no function can be made, so nothing that is put together of it runs for long. */
const pieces = [
  ...names,
  'rm',
  'rm',
  ' ',
  ' ',
  ' ',
  ' ',
  ';',
  '|',
  '&&',
  '\n',
  "'",
  "'",
  '"',
  '"',
  '\\',
  '`',
  '$(',
  ')',
  '(',
  '#',
  'x=',
  '${x:-',
  '"${x:-',
  '${x#',
  '}',
  '<<E\n',
  "<<'E'\n",
  '\nE\n',
  '<<-E\n',
  '$',
  '{ ',
  '; }',
  'eval ',
  'sh -c ',
  'case a in ',
  'a) ',
  ';;',
  ' esac',
  'if ',
  '; then ',
  '; fi',
  'exec ',
  'trap ',
  ' EXIT',
  '! ',
  'for i in ',
  '; do ',
  '; done',
  '>f',
  '2>&1',
  '$1',
  '~',
  '=',
  '\\\n',
  '$((',
  '))',
  '*',
  "$'",
  '&>f',
  '[[ ',
  ' ]]',
  '\t',
  '\r',
  'time ',
  'set -- ',
  "''",
];

let place = '';
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'throughline-oracle-'));
  mkdirSync(join(place, 'bin'));
  writeFileSync(join(place, 'stub'), '#!/bin/sh\necho "${0##*/}" >> "$SEEN"\n');
  chmodSync(join(place, 'stub'), 0o755);
  for (const name of names) symlinkSync('../stub', join(place, 'bin', name));
  symlinkSync('/bin/sh', join(place, 'bin', 'sh'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

function ranBy(shell: string, line: string, index: number): string[] {
  const folder = join(place, `run-${index}`);
  mkdirSync(folder);
  const seen = join(place, `seen-${index}`);
  // Pipes are held by what runs in the background, too, so all of it has ended when this returns.
  spawnSync(shell, ['-c', line], {
    cwd: folder,
    env: { PATH: join(place, 'bin'), LC_ALL: 'C.UTF-8', HOME: folder, SEEN: seen },
    input: '',
  });
  const ran = existsSync(seen) ? readFileSync(seen, 'utf8').trim().split('\n') : [];
  rmSync(folder, { recursive: true, force: true });
  rmSync(seen, { force: true });
  return [...new Set(ran)].filter((name) => name !== '');
}

describe('facts against shells', () => {
  it.each(['/bin/bash', '/bin/sh'])('what %s runs of a line without unknowns was found in it', (shell) => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    let judged = 0;
    let ran = 0;
    for (let round = 0; judged < 250; round += 1) {
      let line = '';
      for (let left = 2 + Math.floor(random() * 14); left > 0; left -= 1) {
        line += pieces[Math.floor(random() * pieces.length)];
      }
      const facts = commandFacts(line);
      if (facts.unknown.length > 0 || !names.some((name) => line.includes(name))) continue;
      if (/\(\s*\)/.test(line.replaceAll('\\\n', ''))) continue;
      judged += 1;
      const programs = ranBy(shell, line, round);
      if (programs.length > 0) ran += 1;
      expect(facts.programs, `seed ${seed} round ${round}: ${JSON.stringify(line)}`).toEqual(
        expect.arrayContaining(programs),
      );
    }
    // Not by finding everything to be harmless.
    expect(ran).toBeGreaterThan(20);
  });
});
