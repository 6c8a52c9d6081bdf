import type { LeafEvent } from '../../audit/leaf.js';
import type { AuditEvent } from '../../contract/events.js';
import { refKeys } from '../../evidence/build/input.js';

/** Under which keys an entry of the log is found again that stands in no session's recording. */
export function refsOf(event: AuditEvent | LeafEvent): readonly string[] {
  switch (event.kind) {
    case 'recording.sealed':
    case 'session.compared':
    case 'session.unopened':
      return [refKeys.session(event.session)];
    case 'record.read':
    case 'session.refused':
      return event.session === undefined ? [] : [refKeys.session(event.session)];
    case 'handle.issued':
    case 'delegation.minted':
    case 'delegation.ended':
    case 'credential.misused':
      return [refKeys.delegation(event.delegation)];
    case 'actor.revoked':
      return event.what === 'agent' ? [refKeys.delegation(event.id)] : [];
    case 'identity.signed-in':
    case 'identity.signed-out':
    case 'identity.withdrawn':
    case 'identity.groups-changed':
    case 'ssh-key.registered':
    case 'ssh-key.removed':
    case 'ssh-key.used':
      return [refKeys.signIn(event.signIn)];
    case 'policy.put':
      return [refKeys.policy(event.policyVersion)];
    case 'connection.put':
    case 'connection.removed':
    case 'target.pinned':
    case 'target.unknown-key':
      return [refKeys.connection(event.connection)];
    case 'evidence.exported':
      return [refKeys.manifest(event.manifest)];
    case 'gateway.started':
    case 'gateway.stopped':
    case 'identity.refused':
    case 'identity.provider':
    case 'log.disputed':
    case 'recordings.removed':
    case 'spool.refused':
    // These stand in the session's recording, with their place in the log.
    case 'session.started':
    case 'session.ended':
    case 'session.revoked':
    case 'session.watched':
    case 'session.unwatched':
    case 'statement.decided':
    case 'statement.ended':
      return [];
  }
}
