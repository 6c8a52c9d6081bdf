import type { Appended } from '../contract/decision.js';
import type { AuditEventInput } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import type { ContentStream, JournalFailure, Recorder } from '../contract/recorder.js';

/** The journal as the parts of the server use it that are not in the data path, and the gateway's own log. */
export interface GatewayRecorder {
  readonly journal: Recorder;
  /** Resolves once the event is durable; rejects (`not-recordable`) when it cannot be kept: then do not go on. */
  record(event: AuditEventInput): Promise<void>;
  /** Free text of people (reasons, search words) as it may be kept. */
  maskText(text: string): string;
  /** A line for the operator. Never holds a value of a session, a secret, or a text from outside. */
  complain(what: string, error?: unknown): void;
}

/** Listens to what is handed to the journal, in the turn of the call: nothing of it is kept yet. */
export interface RecorderTap {
  content(session: SessionId, seq: number, stream: ContentStream, bytes: Uint8Array): void;
  event(event: AuditEventInput): void;
}

export function gatewayRecorder(input: {
  journal: Recorder;
  tap?: RecorderTap;
  /**
   * Hears every event in the order of the journal, once it is known whether it is kept: `recorded` or `durable`, as
   * was asked. What it throws is complained of.
   */
  heard: (event: AuditEventInput, kept: boolean) => void;
  maskText: (text: string) => string;
  log: (line: string) => void;
}): GatewayRecorder {
  const complain: GatewayRecorder['complain'] = (what, error) => {
    const kind =
      error instanceof Error ? `${error.name}${'code' in error ? ` ${String(error.code)}` : ''}` : '';
    const place = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : '';
    input.log(JSON.stringify({ at: new Date().toISOString(), level: 'error', what, kind, place }));
  };
  const journal = heardJournal(input.journal, input.tap, (event, kept) => {
    try {
      input.heard(event, kept);
    } catch (error) {
      complain('an event could not be told on', error);
    }
  });
  return {
    journal,
    maskText: input.maskText,
    record: (event) =>
      new Promise((resolve, reject) => {
        journal.event(event, 'durable', (result: Appended | JournalFailure) =>
          result instanceof Error ? reject(result) : resolve(),
        );
      }),
    complain,
  };
}

/** The journal calls back out of order where durabilities differ; what is told on keeps the order of the calls. */
function heardJournal(
  journal: Recorder,
  tap: RecorderTap | undefined,
  heard: (event: AuditEventInput, kept: boolean) => void,
): Recorder {
  const handed: { readonly event: AuditEventInput; kept?: boolean }[] = [];
  const tellOn = (): void => {
    for (let next = handed[0]; next?.kept !== undefined; next = handed[0]) {
      handed.shift();
      heard(next.event, next.kept);
    }
  };
  return {
    event: (event, durability, done) => {
      const entry: { readonly event: AuditEventInput; kept?: boolean } = { event };
      handed.push(entry);
      tap?.event(event);
      journal.event(event, durability, (result) => {
        entry.kept = !(result instanceof Error);
        // The data path first: it waits for this, and nobody waits for what is told.
        done(result);
        tellOn();
      });
    },
    content: (session, seq, stream, bytes) => {
      journal.content(session, seq, stream, bytes);
      tap?.content(session, seq, stream, bytes);
    },
    flush: (done, session) => journal.flush(done, session),
    backlogBytes: () => journal.backlogBytes(),
    get failed() {
      return journal.failed;
    },
  };
}
