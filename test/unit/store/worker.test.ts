import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { StartedWorker } from '../../../gateway-core/store/worker.js';
import { loadWorker, startWorker } from '../../../gateway-core/store/worker.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'worker-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function moduleOf(name: string, source: string): URL {
  const file = path.join(directory, name);
  fs.writeFileSync(file, source);
  return pathToFileURL(file);
}

const echo = `
import { isMainThread } from 'node:worker_threads';
export function main(port, data) {
  port.on('message', (message) => {
    if (message === 'throw') throw new Error('bug');
    if (message === 'leave') port.close();
    else port.postMessage({ message, data, isMainThread });
  });
}`;

function answer(worker: StartedWorker, message: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    worker.port.once('message', resolve);
    worker.port.postMessage(message);
  });
}

describe('a worker', () => {
  it('runs compiled modules in a thread of its own', async () => {
    const worker = startWorker(moduleOf('echo.mjs', echo), { name: 'echo', data: { a: 1n } });
    expect(await answer(worker, 'x')).toEqual({ message: 'x', data: { a: 1n }, isMainThread: false });
    await worker.stop();
    expect(await worker.ended).toBeUndefined();
  });

  it('runs a module that is there as TypeScript only in this thread, behind the same port', async () => {
    moduleOf('source.ts', echo);
    const url = pathToFileURL(path.join(directory, 'source.js'));
    const worker = startWorker(url, { name: 'source', data: { a: new Uint8Array([1]) } });
    expect(await answer(worker, 'x')).toEqual({
      message: 'x',
      data: { a: new Uint8Array([1]) },
      isMainThread: true,
    });
    await worker.stop();
    expect(await worker.ended).toBeUndefined();
  });

  it('tells what ended it: an exception, a module that is not there, or its own will', async () => {
    const url = moduleOf('echo.mjs', echo);
    const throwing = startWorker(url, { name: 'throwing', data: 0 });
    throwing.port.postMessage('throw');
    expect(await throwing.ended).toMatchObject({ message: 'bug' });
    const missing = startWorker(new URL('./nowhere.js', url), { name: 'missing', data: 0 });
    expect(await missing.ended).toBeInstanceOf(Error);
    const leaving = startWorker(url, { name: 'leaving', data: 0 });
    leaving.port.postMessage('leave');
    expect((await leaving.ended)?.message).toMatch(/by itself/);
  });

  it('that was loaded ahead begins with its start, and only one start finds it', async () => {
    const loaded = path.join(directory, 'loaded');
    const source = `
      import fs from 'node:fs';
      import { threadId } from 'node:worker_threads';
      fs.appendFileSync(${JSON.stringify(loaded)}, '.');
      export function main(port, data) {
        port.on('message', () => port.postMessage({ data, threadId }));
      }`;
    const url = moduleOf('ahead.mjs', source);
    loadWorker(url, { name: 'ahead' });
    loadWorker(url, { name: 'ahead' });
    await expect.poll(() => fs.existsSync(loaded) && fs.readFileSync(loaded, 'utf8')).toBe('.');

    const first = startWorker(url, { name: 'ahead', data: 'first' });
    const one = (await answer(first, 'x')) as { threadId: number };
    expect(one).toMatchObject({ data: 'first' });
    expect(fs.readFileSync(loaded, 'utf8')).toBe('.');

    const second = startWorker(url, { name: 'ahead', data: 'second' });
    const two = (await answer(second, 'x')) as { threadId: number };
    expect(two).toMatchObject({ data: 'second' });
    expect(two.threadId).not.toBe(one.threadId);
    await first.stop();
    await second.stop();
    expect([await first.ended, await second.ended]).toEqual([undefined, undefined]);
  });

  it('that cannot be loaded ahead tells so when it is started', async () => {
    const url = moduleOf('broken.mjs', "throw new Error('cannot load')");
    loadWorker(url, { name: 'broken' });
    const worker = startWorker(url, { name: 'broken', data: 0 });
    expect(await worker.ended).toMatchObject({ message: 'cannot load' });
  });
});
