import type { SessionView } from '../../../contract/api.js';
import type { Project } from '../../../contract/recorder.js';
import type { Bundle } from '../data/bundle.js';
import type { ContentFile } from '../data/content-file.js';
import type { EventIndex } from '../data/event-index.js';
import type { Rows } from '../data/rows.js';
import type { CheckState } from './check-state.js';

/** A bundle that is open, as the parts of the page share it. */
export interface Opened {
  readonly bundle: Bundle;
  readonly index: EventIndex;
  readonly rows: Rows;
  readonly check: CheckState;
  /** How a protocol's content is read; undefined for one that this page does not know. */
  readonly projectOf: (protocol: string) => Project | undefined;
  /** A session's content is opened once. */
  readonly content: (session: SessionView, make: () => ContentFile) => ContentFile;
  /** Why a session's content is not here, for people. */
  readonly whyMissing: (session: SessionView) => string;
}
