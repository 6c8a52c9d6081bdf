import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ThroughlineError } from '../contract/errors.js';
import { viewerDataBegin, viewerDataEnd } from '../contract/evidence.js';

/** viewer.html of this build, cut where a bundle's data goes: `before + begin + "\n" + base64 lines + end + after`. */
export interface ViewerTemplate {
  readonly before: string;
  readonly after: string;
  /** SHA-256 over the UTF-8 of the page without data, hex: `viewer` of the manifest. */
  readonly sha256: string;
}

/** Beside out/bundle, two folders up from the compiled file, and in out/ for whoever runs the source. */
const places = ['../viewer.html', '../../viewer.html', '../../out/viewer.html'];

let read: ViewerTemplate | undefined;

/**
 * The template as `npm run build` made it; read once.
 * @throws ThroughlineError invalid-config when it is not there or does not hold both marks once
 */
export function viewerTemplate(): ViewerTemplate {
  read ??= cutTemplate(readFirst());
  return read;
}

function readFirst(): string | undefined {
  for (const place of places) {
    try {
      return readFileSync(new URL(place, import.meta.url), 'utf8');
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

/** Pure: what stands around the data of a viewer without any. */
export function cutTemplate(html: string | undefined): ViewerTemplate {
  const [before, between, ...others] = (html ?? '').split(viewerDataBegin);
  const [data, after, ...more] = (between ?? '').split(viewerDataEnd);
  if (
    before === undefined ||
    after === undefined ||
    data?.trim() !== '' ||
    others.length > 0 ||
    more.length > 0
  ) {
    throw new ThroughlineError('invalid-config', 'the viewer of evidence bundles is not built', {
      action: 'run `npm run build`',
    });
  }
  const empty = `${before}${viewerDataBegin}\n${viewerDataEnd}${after}`;
  return { before, after, sha256: hash('sha256', empty, 'hex') };
}
