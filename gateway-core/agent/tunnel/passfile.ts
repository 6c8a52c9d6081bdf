import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Passfile {
  readonly path: string;
  remove(): void;
}

/** A tunnel with a password of its own. */
export interface GuardedPlace {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

/** PostgreSQL manual, 34.16: any database and user, because the port says what this leads to. */
export function passfileText(places: readonly GuardedPlace[]): string {
  const escaped = (text: string): string => text.replaceAll(/[\\:]/g, '\\$&');
  return places
    .map(({ host, port, password }) => `${escaped(host)}:${port}:*:*:${escaped(password)}\n`)
    .join('');
}

/** Of mode 0600, in a directory of its own: a password stands in no argument and in no environment. */
export function writePassfile(places: readonly GuardedPlace[]): Passfile {
  const directory = mkdtempSync(join(tmpdir(), 'throughline-tunnel-'));
  const path = join(directory, 'pgpass');
  writeFileSync(path, passfileText(places), { mode: 0o600, flag: 'wx' });
  return { path, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** The same for one tunnel, where it has a password. */
export function passfileOf(place: {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
}): Passfile | undefined {
  const { password } = place;
  return password === undefined ? undefined : writePassfile([{ ...place, password }]);
}
