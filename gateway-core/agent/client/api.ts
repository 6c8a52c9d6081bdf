import { z } from 'zod';
import {
  AdminConnection,
  AdminDevice,
  AdminPerson,
  ConnectionDetail,
  GatewayInfo,
  HandleResponse,
  LiveItem,
  NodeTimeline,
  PolicyDocument,
  PolicyPutResult,
  PutResult,
  paths,
  ReplayItem,
  type RevokeRequest,
  RevokeResponse,
  SearchHit,
  SessionDetail,
  SessionView,
  VerifyReport,
  WhoAmI,
} from '../../contract/api.js';
import { AgentNode } from '../../contract/delegation.js';
import type { EvidenceRequest } from '../../contract/evidence.js';
import {
  type ReceiptRequest,
  ReceiptResponse,
  SpoolAck,
  type SpoolAppend,
} from '../../contract/local-record.js';
import { SshKeyResponse } from '../../contract/ssh-key.js';
import { WatchItem } from '../../contract/watch.js';
import type { Gateway } from './gateway.js';

/**
 * Every request of the client to the API, one function each: method, path, query and shape of the answer stand
 * here and nowhere else. All throw ThroughlineError.
 */
export const api = {
  whoami: (gateway: Gateway) => gateway.json({ method: 'GET', path: paths.whoami }, WhoAmI),

  connections: (gateway: Gateway) =>
    gateway.json({ method: 'GET', path: paths.connections }, z.array(ConnectionDetail)),

  createHandle: (gateway: Gateway, body: { connection: string; ttlMs?: number; sessionsMax?: number }) =>
    gateway.json({ method: 'POST', path: paths.handles, body }, HandleResponse),

  registerSshKey: (gateway: Gateway, body: { connection: string; publicKey: string; proof: string }) =>
    gateway.json({ method: 'POST', path: paths.sshKeys, body }, SshKeyResponse),

  removeSshKey: (gateway: Gateway, id: string) => gateway.text({ method: 'DELETE', path: paths.sshKey(id) }),

  sessions: (gateway: Gateway, query: { live?: 'true'; of?: string }) =>
    gateway.json({ method: 'GET', path: paths.sessions, query }, z.array(SessionView)),

  session: (gateway: Gateway, id: string) =>
    gateway.json({ method: 'GET', path: paths.session(id) }, SessionDetail),

  recording: (gateway: Gateway, id: string) =>
    gateway.lines({ method: 'GET', path: paths.recording(id) }, ReplayItem),

  /** The offline bundle, as it is built. */
  evidence: (gateway: Gateway, body: EvidenceRequest) =>
    gateway.bytes({ method: 'POST', path: paths.evidence, body }),

  /** Appends to this device's spool at the gateway, exactly once. */
  spool: (gateway: Gateway, device: string, segment: number, body: SpoolAppend) =>
    gateway.json({ method: 'POST', path: paths.spool(device, segment), body }, SpoolAck),

  receipts: (gateway: Gateway, body: ReceiptRequest) =>
    gateway.json({ method: 'POST', path: paths.receipts, body }, ReceiptResponse),

  gateway: (gateway: Gateway) => gateway.json({ method: 'GET', path: paths.gateway }, GatewayInfo),

  revoke: (gateway: Gateway, body: RevokeRequest) =>
    gateway.json({ method: 'POST', path: paths.revoke, body }, RevokeResponse),

  timeline: (gateway: Gateway, id: string) =>
    gateway.json({ method: 'GET', path: paths.timeline(id) }, NodeTimeline),

  agents: (gateway: Gateway) => gateway.json({ method: 'GET', path: paths.agents }, z.array(AgentNode)),

  search: (gateway: Gateway, query: { q: string }) =>
    gateway.json({ method: 'GET', path: paths.search, query }, z.array(SearchHit)),

  /** What happens, as it happens, of what this person may see. */
  live: (gateway: Gateway) => gateway.follow({ method: 'GET', path: paths.live }, LiveItem),

  /** A session's terminals and output from now on, while it runs. */
  watch: (gateway: Gateway, id: string) =>
    gateway.follow({ method: 'GET', path: paths.watch(id) }, WatchItem),

  /** A signed note (C2SP tlog-checkpoint), as text. */
  checkpoint: (gateway: Gateway) => gateway.text({ method: 'GET', path: paths.checkpoint }),

  verifyLog: (gateway: Gateway) => gateway.json({ method: 'POST', path: paths.logVerify }, VerifyReport),

  adminConnections: (gateway: Gateway) =>
    gateway.json({ method: 'GET', path: paths.adminConnections }, z.array(AdminConnection)),

  adminConnection: (gateway: Gateway, name: string) =>
    gateway.json({ method: 'GET', path: paths.adminConnection(name) }, AdminConnection),

  /** `connections` as in ConnectionsFile: the gateway checks it again. */
  putConnections: (gateway: Gateway, connections: readonly unknown[]) =>
    gateway.json({ method: 'PUT', path: paths.adminConnections, body: { connections } }, PutResult),

  removeConnection: (gateway: Gateway, name: string) =>
    gateway.text({ method: 'DELETE', path: paths.adminConnection(name) }),

  /** Newest first; the first one is in force. A gateway may answer that one alone. */
  policies: async (gateway: Gateway) => {
    const answer = z.union([z.array(PolicyDocument), PolicyDocument]);
    const found = await gateway.json({ method: 'GET', path: paths.adminPolicies }, answer);
    return Array.isArray(found) ? found : [found];
  },

  putPolicies: (gateway: Gateway, text: string) =>
    gateway.json({ method: 'PUT', path: paths.adminPolicies, body: { text } }, PolicyPutResult),

  people: (gateway: Gateway) =>
    gateway.json({ method: 'GET', path: paths.adminPeople }, z.array(AdminPerson)),

  devices: (gateway: Gateway) =>
    gateway.json({ method: 'GET', path: paths.adminDevices }, z.array(AdminDevice)),
} as const;
