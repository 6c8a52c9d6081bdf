import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Built {
  /** `gateway-core/cli/throughline.mjs` of a tree that is laid out like a clone after a build. */
  readonly bin: string;
  readonly directory: string;
  /** A compiled module, as a file URL's path. */
  module(path: string): string;
}

/**
 * Compiles the command and what it imports into a directory of its own below `out/`, where node finds the
 * packages: for laws about whole processes. The real build is not touched.
 */
export async function build(name: string): Promise<Built> {
  const directory = join(root, 'out', `${name}-${process.pid}`);
  const bin = join(directory, 'gateway-core', 'cli', 'throughline.mjs');
  await mkdir(dirname(bin), { recursive: true });
  await writeFile(
    join(directory, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noCheck: true, sourceMap: false, rootDir: root, outDir: join(directory, 'out') },
      files: [
        join(root, 'gateway-core/cli/main.ts'),
        join(root, 'gateway-core/agent/client/keyring-child.ts'),
      ],
      include: [],
    }),
  );
  await copyFile(join(root, 'package.json'), join(directory, 'package.json'));
  await copyFile(join(root, 'gateway-core/cli/throughline.mjs'), bin);
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  await promisify(execFile)(compiler, ['-p', join(directory, 'tsconfig.json')], { cwd: root });
  const module = (path: string): string => join(directory, 'out', path);
  return { bin, directory, module };
}

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs node with a script and waits for its end. */
export async function node(
  parameters: readonly string[],
  options: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, parameters, {
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(options.stdin ?? '');
  const status = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await status, out, err };
}
