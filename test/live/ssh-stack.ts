import type { SessionDetail } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { type Scope, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** An SSH server behind a gateway, and two people with tunnels to it: engineers may do anything, contractors not forward. */
export interface SshStack {
  readonly sshd: Sshd;
  readonly gateway: GatewayRun;
  readonly engineer: Person;
  readonly contractor: Person;
  /** For ssh, scp and sftp: which way leads to `host`. */
  readonly flags: (person: Person) => readonly string[];
}

const sshPolicies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);

@id("contractors-run-and-do-not-forward")
permit (principal in Group::"contractors", action in [Action::"ssh:shell", Action::"ssh:exec"], resource);

@id("no-forwards")
@message("contractors reach no further than the host")
forbid (principal in Group::"contractors", action == Action::"ssh:forward", resource);
`;

export async function startSshStack(scope: Scope): Promise<SshStack> {
  const [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  const admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + sshPolicies);
  const [engineer, contractor] = await Promise.all([
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'contractor'),
  ]);
  const configs = new Map<Person, string>();
  for (const person of [engineer, contractor]) {
    const place = (await person.tunnel('host')) as unknown as { readonly config: string };
    configs.set(person, place.config);
  }
  return { sshd, gateway, engineer, contractor, flags: (person) => ['-F', configs.get(person) ?? ''] };
}

/** What the latest session of a person kept, once that has ended. */
export async function kept(person: Person): Promise<SessionDetail['statements']> {
  const detail = await until('the session has ended', async () => {
    const sessions = await person.json<{ id: string; state: string; startedAt: string }[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    return latest?.state === 'ended'
      ? person.json<SessionDetail>(['sessions', 'show', latest.id])
      : undefined;
  });
  return detail.statements;
}
