import type { Run } from './context.js';

type Load = () => Promise<{ readonly run: Run }>;

/** The code of each command, by its name in specs.ts. Imported only when it runs: help and completion load none. */
export const loaders: Readonly<Record<string, Load>> = {
  up: () => import('./commands/up.js'),
  login: () => import('./commands/login.js'),
  logout: () => import('./commands/logout.js'),
  whoami: () => import('./commands/whoami.js'),
  connections: () => import('./commands/connections.js'),
  connect: () => import('./commands/connect.js'),
  agent: () => import('./commands/agent.js'),
  exec: () => import('./commands/exec.js'),
  handle: () => import('./commands/handle.js'),
  sessions: () => import('./commands/sessions.js'),
  'sessions show': () => import('./commands/session-show.js'),
  'revoke session': async () => (await import('./commands/revoke.js')).revokeSession,
  'revoke agent': async () => (await import('./commands/revoke.js')).revokeAgent,
  'revoke device': async () => (await import('./commands/revoke.js')).revokeDevice,
  'revoke principal': async () => (await import('./commands/revoke.js')).revokePrincipal,
  run: () => import('./commands/run.js'),
  agents: () => import('./commands/agents.js'),
  'agents show': () => import('./commands/agent-show.js'),
  replay: () => import('./commands/replay.js'),
  search: () => import('./commands/search.js'),
  'log verify': () => import('./commands/log-verify.js'),
  'log checkpoint': () => import('./commands/log-checkpoint.js'),
  'admin connections list': () => import('./commands/admin-connections-list.js'),
  'admin connections add': () => import('./commands/admin-connections-add.js'),
  'admin connections show': () => import('./commands/admin-connections-show.js'),
  'admin connections remove': () => import('./commands/admin-connections-remove.js'),
  'admin policies list': () => import('./commands/admin-policies-list.js'),
  'admin policies show': () => import('./commands/admin-policies-show.js'),
  'admin policies put': () => import('./commands/admin-policies-put.js'),
  'admin people': () => import('./commands/admin-people.js'),
  completion: () => import('./commands/completion.js'),
  __complete: () => import('./commands/complete.js'),
};
