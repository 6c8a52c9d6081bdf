/**
 * The second half of the build: out/bundle, one file for each program in place of the four hundred that tsc and the
 * packages have, which take Node a good part of a second to find and load. Run by `npm run build`.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { licencesFile, licencesIn } from './licences.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * What is started by its own file: the command, the threads and the keyring's child process. All of them stand in one
 * folder, where `new URL('./NAME.js', import.meta.url)` finds them as it does in the source.
 */
export const programs = [
  'cli/main',
  'store/state-worker',
  'server/sealer/sealer-worker',
  'server/sealer/verify-worker',
  'server/evidence/export-worker',
  'server/spool/spool-worker',
  'server/demo/host/host-child',
  'agent/client/keyring-child',
];

/** Packages with native code, WebAssembly or files of their own, and the demo's provider, which is loaded late. */
export const kept = [
  '@cedar-policy/cedar-wasm',
  '@electric-sql/pglite',
  '@electric-sql/pglite-socket',
  '@napi-rs/keyring',
  'better-sqlite3',
  'koffi',
  'libpg-query',
  'oidc-provider',
  'ssh2',
];

const isKept = (name) => kept.some((each) => name === each || name.startsWith(`${each}/`));
const isBuiltin = (name) => name.startsWith('node:') || builtinModules.includes(name);

/** Bundles what is compiled in `compiled` into the folder `folder`. Throws for anything that rolldown has to remark. */
export async function bundle(compiled, folder) {
  const fresh = `${folder}.${process.pid}`;
  try {
    const chunks = await Promise.all(programs.map((program) => bundleProgram(compiled, program, fresh)));
    writeFileSync(join(fresh, licencesFile), licencesIn(chunks.flat()));
    // Whole or not at all: half a bundle would run.
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** The command loads the code of each of its subcommands when it runs; a thread needs all of its own at once. */
async function bundleProgram(compiled, program, folder) {
  const build = await rolldown({
    cwd: root,
    input: join(compiled, 'gateway-core', `${program}.js`),
    platform: 'node',
    external: (name) => isKept(name) || isBuiltin(name),
    resolve: { mainFields: ['module', 'main'] },
    onLog: (_level, log) => {
      throw new Error(`${program}: ${log.message}`);
    },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      codeSplitting: program === 'cli/main',
    });
    return output.filter((file) => file.type === 'chunk');
  } finally {
    await build.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!existsSync(join(root, 'out', 'gateway-core'))) throw new Error('nothing is compiled yet');
  await bundle(join(root, 'out'), join(root, 'out', 'bundle'));
}
