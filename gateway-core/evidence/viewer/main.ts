import './shims/zod.js';
import { statementContent } from '../../codec/content.js';
import type { SessionView } from '../../contract/api.js';
import type { Project } from '../../contract/recorder.js';
import { Bundle, NotABundle } from './data/bundle.js';
import { check } from './data/check.js';
import type { ContentFile } from './data/content-file.js';
import { embeddedBundle } from './data/embedded.js';
import { EventIndex } from './data/event-index.js';
import { Pace, Stopped } from './data/pace.js';
import { Rows } from './data/rows.js';
import { CheckState } from './ui/check-state.js';
import { replace } from './ui/dom.js';
import { acceptDrops, chooseFile, door, waiting } from './ui/door.js';
import type { Opened } from './ui/opened.js';
import { openAnotherLabel, Shell } from './ui/shell.js';

/** How each protocol's recorded bytes are read. */
const projects: Readonly<Record<string, Project>> = {
  postgres: statementContent,
  ssh: statementContent,
};

const app = document.getElementById('app') ?? document.body;
let shell: Shell | undefined;
let opening = new AbortController();

const onFile = (file: File): void => void open(file, false);

/** Opens a bundle in place of the one that is open. What it holds is shown while it is checked. */
async function open(blob: Blob, embedded: boolean): Promise<void> {
  opening.abort();
  opening = new AbortController();
  const { signal } = opening;
  shell?.close();
  shell = undefined;
  const wait = waiting();
  replace(app, wait.element);
  try {
    const bundle = await Bundle.open(blob, embedded);
    const index = await EventIndex.read(bundle, new Pace(signal), (share) => {
      wait.say(`Reading the bundle: ${Math.round(share * 100)} %`);
    });
    const opened = openedOf(bundle, index);
    shell = new Shell(opened, chooseFile(openAnotherLabel(), onFile));
    replace(app, shell.element);
    await check(bundle, opened.check, signal);
  } catch (cause) {
    if (cause instanceof Stopped) return;
    if (signal.aborted) return;
    replace(app, door(onFile, problemOf(cause)));
  }
}

function openedOf(bundle: Bundle, index: EventIndex): Opened {
  const contents = new Map<string, ContentFile>();
  return {
    bundle,
    index,
    rows: new Rows(index),
    check: new CheckState(),
    projectOf: (protocol) => (Object.hasOwn(projects, protocol) ? projects[protocol] : undefined),
    content: ({ id }, make) => {
      const content = contents.get(id) ?? make();
      contents.set(id, content);
      return content;
    },
    whyMissing: (session) => whyMissing(bundle, session),
  };
}

function whyMissing(bundle: Bundle, { id }: SessionView): string {
  const gone = bundle.manifest.deleted.find(({ session }) => session === id);
  if (gone?.what === 'whole') return 'Retention had deleted this recording before the bundle was exported.';
  if (bundle.embedded) {
    return 'This page carries a copy of the bundle’s smaller files, and what came back is not among them: drop the bundle’s ZIP here to see it.';
  }
  return 'The bundle does not hold what came back in this session.';
}

function problemOf(cause: unknown): { title: string; text: string } {
  const title = 'This cannot be opened';
  if (cause instanceof NotABundle) return { title, text: cause.message };
  const text = cause instanceof Error ? cause.message : 'something unexpected happened';
  return { title, text };
}

acceptDrops(onFile);
const carried = embeddedBundle(document.getElementById('bundle')?.textContent ?? '');
if (carried === undefined) replace(app, door(onFile));
else if (carried === 'damaged') {
  replace(
    app,
    door(onFile, { title: 'The data in this page is damaged', text: 'Drop the bundle’s ZIP here instead.' }),
  );
} else void open(carried, true);
