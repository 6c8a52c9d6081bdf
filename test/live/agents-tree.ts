import { readFileSync } from 'node:fs';

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const sql = (mark: string): string => `psql -XAtqc "select '${mark}' as mark"`;

/** `$TL` is the command line; each statement carries the name of the place where it belongs. */
export const tree = `
set -e
${sql('planner')}
# Short-lived and in parallel.
for i in 1 2 3 4 5 6 7 8; do ${sql('parallel-$i')} & done; wait
# A sub-agent with scripts, down to the fourth level.
$TL run --agent reader --actions read -- sh -c '${sql('reader').replaceAll("'", `'"'"'`)}
  $TL run --agent deep -- $TL run --agent deepest -- sh -c "psql -XAtqc \\"select 1 as deepest_mark\\""'
# Its brother.
$TL run --agent writer --actions read,write -- sh -c '${sql('writer').replaceAll("'", `'"'"'`)}'
# A daemon: its parents are gone before it connects.
(setsid sh -c 'sleep 0.3; ${sql('daemon').replaceAll("'", `'"'"'`)}' > $OUT/daemon.txt 2>&1 &)
# Handle and environment dropped, at the port that the person has open outside.
env -i PATH=$PATH PGSSLMODE=disable psql -XAtqc "select 'dropped' as mark" -h 127.0.0.1 -p $OUTSIDE -U engineer shop
sleep 1
`;
