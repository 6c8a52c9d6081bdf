import type { Appended } from '../contract/decision.js';
import type { AuditEventInput } from '../contract/events.js';
import type { JournalFailure, Recorder } from '../contract/recorder.js';

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

export function gatewayRecorder(input: {
  journal: Recorder;
  /** Hears every event once it was handed to the journal. */
  heard: (event: AuditEventInput) => void;
  maskText: (text: string) => string;
  log: (line: string) => void;
}): GatewayRecorder {
  const journal = heardJournal(input.journal, input.heard);
  return {
    journal,
    maskText: input.maskText,
    record: (event) =>
      new Promise((resolve, reject) => {
        journal.event(event, 'durable', (result: Appended | JournalFailure) =>
          result instanceof Error ? reject(result) : resolve(),
        );
      }),
    complain: (what, error) => {
      const kind =
        error instanceof Error ? `${error.name}${'code' in error ? ` ${String(error.code)}` : ''}` : '';
      const place = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : '';
      input.log(JSON.stringify({ at: new Date().toISOString(), level: 'error', what, kind, place }));
    },
  };
}

function heardJournal(journal: Recorder, heard: (event: AuditEventInput) => void): Recorder {
  return {
    event: (event, durability, done) => {
      journal.event(event, durability, done);
      heard(event);
    },
    content: (session, seq, stream, bytes) => journal.content(session, seq, stream, bytes),
    flush: (done, session) => journal.flush(done, session),
    backlogBytes: () => journal.backlogBytes(),
    get failed() {
      return journal.failed;
    },
  };
}
