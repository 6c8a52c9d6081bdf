import { verifyBundle } from '../../verify/index.js';
import type { RandomAccess } from '../../zip/read.js';
import { inflate } from '../shims/inflate.js';
import type { CheckState, Missing } from '../ui/check-state.js';
import type { Bundle } from './bundle.js';
import { Pace, Stopped } from './pace.js';

/** Checks a bundle with the verifier that the command has, beside whatever the reader does with the page. */
export async function check(bundle: Bundle, state: CheckState, signal: AbortSignal): Promise<void> {
  let percent = 0;
  try {
    const report = await verifyBundle(paced(bundle.access, new Pace(signal)), {
      inflate,
      copy: bundle.embedded,
      onProgress: (share) => {
        const now = Math.floor(share * 100);
        if (now === percent) return;
        percent = now;
        state.set({ kind: 'running', share });
      },
    });
    state.set({ kind: 'done', report, missing: missingIn(bundle) });
  } catch (cause) {
    if (cause instanceof Stopped) return;
    // A disk that is gone, a file that somebody writes to: nothing is known of the bundle then.
    state.set({ kind: 'failed', why: cause instanceof Error ? cause.message : 'the file cannot be read' });
  }
}

function paced(access: RandomAccess, pace: Pace): RandomAccess {
  return {
    size: access.size,
    read: async (offset, length) => {
      await pace.turn();
      return access.read(offset, length);
    },
  };
}

/** Of the page's own copy; a ZIP that lacks a file has a problem. */
function missingIn({ manifest, archive, embedded }: Bundle): Missing {
  if (!embedded) return { copies: 0, others: 0 };
  const paths = manifest.files.filter(({ path }) => !archive.has(path)).map(({ path }) => path);
  const copies = paths.filter((path) => isCopy.test(path)).length;
  return { copies, others: paths.length - copies };
}

/** As `bundlePaths.result` names them. */
const isCopy = /^sessions\/[^/]+\/results\//;
