import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FileTally, SftpChannel } from '../../gateway-core/codec/sftp/channel.js';
import { SftpReplies } from '../../gateway-core/codec/sftp/replies.js';
import { SftpRequests } from '../../gateway-core/codec/sftp/requests.js';
import { writeStatus } from '../../gateway-core/codec/sftp/writers.js';

/** Debian's place for it (package openssh-sftp-server). It speaks on its standard input and output. */
const server = '/usr/lib/openssh/sftp-server';

let place = '';
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'throughline-sftp-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Seen {
  readonly uses: string[];
  readonly files: FileTally[];
  readonly troubles: string[];
  readonly stderr: string;
}

/** OpenSSH's client with these commands, through the codec, to OpenSSH's server. `denied` is answered by us. */
async function through(
  commands: readonly string[],
  denied: (use: string) => boolean = () => false,
): Promise<Seen> {
  const folder = mkdtempSync(join(place, 'run-'));
  const [up, down] = [join(folder, 'up'), join(folder, 'down')];
  spawnSync('mkfifo', [up, down]);
  const door = join(folder, 'door');
  writeFileSync(door, `#!/bin/sh\ncat '${down}' &\nexec cat > '${up}'\n`, { mode: 0o755 });
  const batch = join(folder, 'batch');
  writeFileSync(batch, `${commands.join('\n')}\n`);
  const client = spawn('sftp', ['-b', batch, '-D', door], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: place,
  });
  const target = spawn(server, ['-d', place], { stdio: ['pipe', 'pipe', 'ignore'] });
  const seen = relay(up, down, target, denied);
  let stderr = '';
  client.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  await new Promise((resolve) => client.on('close', resolve));
  target.stdin.end();
  await new Promise((resolve) =>
    target.exitCode === null ? target.on('close', resolve) : resolve(undefined),
  );
  return { ...seen(), stderr };
}

function relay(up: string, down: string, target: ChildProcess, denied: (use: string) => boolean) {
  const channel = new SftpChannel();
  const [requests, replies] = [new SftpRequests(), new SftpReplies()];
  const [uses, files, troubles]: [string[], FileTally[], string[]] = [[], [], []];
  const toClient = createWriteStream(down);
  const { stdin: toTarget, stdout: fromTarget } = target;
  if (toTarget === null || fromTarget === null) throw new Error('pipes were asked for');
  let passing = true;
  const fromClient = createReadStream(up);
  fromClient.on('end', () => toTarget.end());
  fromClient.on('data', (chunk) => {
    for (const event of requests.push(Buffer.from(chunk))) {
      if (event.kind === 'malformed') troubles.push(event.reason);
      else if (event.kind === 'piece') {
        if (!passing) continue;
        channel.written(event.data);
        toTarget.write(event.data);
      } else {
        const id = event.packet.kind === 'init' ? 0 : event.packet.id;
        const verdict = channel.request(event.packet);
        const asked =
          verdict.kind === 'use'
            ? verdict.uses.map((use) => [use.operation, use.path, use.to ?? ''].join(' ').trim())
            : [];
        uses.push(...asked);
        passing = verdict.kind === 'use' && !asked.some(denied);
        if (verdict.kind !== 'use')
          troubles.push(`${event.packet.kind}: ${'reason' in verdict ? verdict.reason : verdict.kind}`);
        if (passing) toTarget.write(event.raw);
        else {
          channel.refused(id);
          toClient.write(writeStatus(id, 3, 'denied by policy'));
        }
      }
    }
  });
  fromTarget.on('data', (chunk: Buffer) => {
    for (const event of replies.push(chunk)) {
      if (event.kind === 'malformed') troubles.push(event.reason);
      else if (event.kind === 'piece') channel.received(event.data);
      else {
        const answered = channel.reply(event.packet);
        if (answered.kind === 'malformed') troubles.push(answered.reason);
        else if (answered.file !== undefined) files.push(answered.file);
      }
    }
    toClient.write(chunk);
  });
  fromTarget.on('end', () => toClient.end());
  return () => ({ uses, files, troubles });
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('SFTP as OpenSSH speaks it', () => {
  it('what moves both ways is hashed, whole, as the files are on disk', async () => {
    const body = randomBytes(3_000_001);
    writeFileSync(join(place, 'local'), body);
    const seen = await through(['put local there', 'get there back', 'put -p local again']);
    expect(seen.troubles).toEqual([]);
    expect(readFileSync(join(place, 'back')).equals(body)).toBe(true);
    const sum = sha256(body);
    const put = { bytes: body.length, sha256: sum, whole: true };
    expect(seen.files.map((file) => file.written.sha256)).toEqual([sum, undefined, sum]);
    expect(seen.files[0]?.written).toEqual(put);
    expect(seen.files[1]?.read).toEqual(put);
    expect(seen.uses).toContain(`write ${place}/there`);
    expect(seen.uses).toContain(`read ${place}/there`);
    expect(seen.uses).toContain(`set-attributes ${place}/again`);
  });

  it('every command is judged by the absolute paths that it touches', async () => {
    writeFileSync(join(place, 'one'), 'one');
    const seen = await through([
      'mkdir folder',
      'cd folder',
      'put one one',
      'chmod 600 one',
      'rename one two',
      'ln two hard',
      'ln -s two soft',
      'ls -l',
      'df',
      'rm two',
      'cd ..',
      'rm folder/hard',
      'rm folder/soft',
      'rmdir folder',
    ]);
    expect(seen.troubles).toEqual([]);
    const folder = join(place, 'folder');
    for (const use of [
      `make-directory ${folder}`,
      `write ${folder}/one`,
      `set-attributes ${folder}/one`,
      `rename ${folder}/one ${folder}/two`,
      `link ${folder}/two ${folder}/hard`,
      `link ${folder}/two ${folder}/soft`,
      `list ${folder}`,
      `stat ${folder}`,
      `remove ${folder}/two`,
      `remove-directory ${folder}`,
    ]) {
      expect(seen.uses).toContain(use);
    }
  });

  it('a denied request never reaches the target, and the client goes on', async () => {
    writeFileSync(join(place, 'secret'), 'secret');
    mkdirSync(join(place, 'kept'));
    const seen = await through(['-put secret forbidden', '-rmdir kept', 'put secret allowed'], (use) =>
      /forbidden|remove-directory/.test(use),
    );
    expect(seen.troubles).toEqual([]);
    expect(seen.stderr).toMatch(/denied/i);
    expect(statSync(join(place, 'kept')).isDirectory()).toBe(true);
    expect(statSync(join(place, 'forbidden'), { throwIfNoEntry: false })).toBeUndefined();
    expect(readFileSync(join(place, 'allowed'), 'utf8')).toBe('secret');
  });

  it('a download that is resumed moves a part, and says so', async () => {
    const body = randomBytes(200_000);
    writeFileSync(join(place, 'source'), body);
    writeFileSync(join(place, 'target'), body.subarray(0, 70_000));
    const seen = await through(['reget source target', 'put source target2', 'copy source twin']);
    expect(seen.troubles).toEqual([]);
    expect(seen.files[0]?.read).toEqual({ bytes: 130_000, sha256: undefined, whole: false });
    expect(readFileSync(join(place, 'twin')).equals(body)).toBe(true);
  });
});
