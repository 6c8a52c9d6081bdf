import { hkdfSync, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import {
  createPrivateFile,
  privateDirectory,
  readPrivateFile,
  syncDirectory,
  systemCode,
} from './private-files.js';

/** What keys are for. A name is part of the derivation: never renamed. */
export const keyNames = [
  'journal',
  'secrets',
  'recording',
  'hash-masks',
  'salts',
  'scram-mock',
  'session-ids',
  'spool',
  'ssh-host',
] as const;
export type KeyName = (typeof keyNames)[number];

export interface Keys {
  /** 32 bytes, HKDF-SHA-256 of the master key; the same every time. */
  derive(name: KeyName): Buffer;
}

const masterName = 'master.key';
const masterBytes = 32;

/**
 * Loads the master key from `directory`, or makes both when they are not there: 0600 in 0700. Throws
 * `invalid-config` when directory or key can be read by others, belong to another user, are links, do not have 32
 * bytes, or stand inside `dataDirectory`: who copies the data must not get the keys with it.
 */
export async function openKeys(
  directory: string,
  options: { readonly dataDirectory: string },
): Promise<Keys> {
  refuseInside(path.resolve(directory), path.resolve(options.dataDirectory));
  privateDirectory(directory, 'none');
  refuseInside(fs.realpathSync(directory), realPath(options.dataDirectory));
  const file = path.join(directory, masterName);
  const master = readPrivateFile(file, masterBytes) ?? makeMaster(directory, file);
  if (master.length !== masterBytes) {
    throw new ThroughlineError('invalid-config', `${file} is not a key`, {
      action: 'restore the file from its backup: without it nothing that was sealed can be opened',
    });
  }
  return new MasterKey(master);
}

/** A class, so that neither JSON nor a log line shows the key. */
class MasterKey implements Keys {
  readonly #master: Buffer;

  constructor(master: Buffer) {
    this.#master = master;
  }

  derive(name: KeyName): Buffer {
    const info = `throughline key ${name} 1`;
    return Buffer.from(hkdfSync('sha256', this.#master, Buffer.alloc(0), info, 32));
  }
}

/** Made whole under another name and then linked: a crash leaves no half key, and two starters end up with one. */
function makeMaster(directory: string, file: string): Buffer {
  const temporary = path.join(directory, `.${masterName}.${randomBytes(8).toString('hex')}`);
  createPrivateFile(temporary, randomBytes(masterBytes));
  try {
    fs.linkSync(temporary, file);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    fs.unlinkSync(temporary);
  }
  syncDirectory(directory);
  const made = readPrivateFile(file, masterBytes);
  if (made === undefined) throw new ThroughlineError('invalid-config', `${file} vanished while it was made`);
  return made;
}

function refuseInside(directory: string, data: string): void {
  if (directory !== data && !directory.startsWith(data.endsWith(path.sep) ? data : data + path.sep)) return;
  throw new ThroughlineError(
    'invalid-config',
    `the keys directory ${directory} is inside the data directory`,
    {
      action: 'choose a keys directory elsewhere: whoever copies the data must not get the keys with it',
    },
  );
}

/** Real path of what may not exist yet: of its nearest ancestor that does. */
function realPath(file: string): string {
  const absolute = path.resolve(file);
  const parent = path.dirname(absolute);
  if (fs.existsSync(absolute)) return fs.realpathSync(absolute);
  return parent === absolute ? absolute : path.join(realPath(parent), path.basename(absolute));
}
