import { isShown, ReplayedTerminals } from '../../../codec/terminal/replayed.js';
import type { SessionView } from '../../../contract/api.js';
import { bundlePaths } from '../../../contract/evidence.js';
import type { Project } from '../../../contract/recorder.js';
import { replayBundle } from '../../replay.js';
import type { Bundle } from './bundle.js';
import { ItemStore } from './item-store.js';
import type { Pace } from './pace.js';

export interface ReplayStatement {
  readonly seq: number;
  readonly item: number;
  readonly atMs: number;
  readonly text: string;
  /** Not allowed, or it failed. */
  bad: boolean;
  /** It has something of its own to show that is not its terminal. */
  shows: boolean;
}

/** A session as it went, ready to be played. */
export interface ReplayOfSession {
  readonly items: ItemStore;
  readonly statements: ReplayStatement[];
  readonly terminals: ReplayedTerminals;
  readonly contentMissing: boolean;
  durationMs: number;
}

const markTextMax = 120;

/** Reads a session's events and content as the command does, and keeps what a player needs of them. */
export async function readReplay(
  bundle: Bundle,
  session: SessionView,
  project: Project,
  pace: Pace,
): Promise<ReplayOfSession> {
  const replay: ReplayOfSession = {
    items: new ItemStore(),
    statements: [],
    terminals: new ReplayedTerminals(),
    contentMissing: !bundle.has(bundlePaths.content(session.id)),
    durationMs: 0,
  };
  if (!bundle.has(bundlePaths.events(session.id))) return replay;
  for await (const item of replayBundle(bundle.archive, session.id, project)) {
    add(replay, item);
    await pace.turn();
  }
  const { items } = replay;
  replay.durationMs = items.length === 0 ? 0 : items.timeOf(items.length - 1);
  return replay;
}

function add(replay: ReplayOfSession, item: Parameters<ItemStore['add']>[0]): void {
  const { items, statements } = replay;
  if (item.kind === 'statement') {
    const { seq, atMs, text, decision } = item;
    const bad = decision !== 'allowed' && decision !== 'approved';
    statements.push({ seq, item: items.length, atMs, text: text.slice(0, markTextMax), bad, shows: false });
  }
  const failed = item.kind === 'outcome' && item.error !== undefined;
  if (failed || isShown(item)) {
    const own = statements.findLast(({ seq }) => seq === item.seq);
    if (own !== undefined && failed) own.bad = true;
    if (own !== undefined && !failed) own.shows = true;
  }
  items.add(replay.terminals.add(item));
}
