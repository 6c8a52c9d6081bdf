import type { ConnectionInput } from '../../contract/connection.js';

/** Policies that a new demo starts with; change them with `throughline admin policies put FILE`. */
export const demoPolicies = `// Who may do what in the demo. Actions and context: see "Policies" in the README.

@id("contractors-read-the-shop")
@message("contractors may read the shop's data, not change it")
permit (
  principal in Group::"contractors",
  action in [Action::"connect", Action::"sql:read"],
  resource in Label::"team=shop"
);

@id("engineers-read-and-write-the-shop")
permit (
  principal in Group::"engineers",
  action in [Action::"connect", Action::"sql:read", Action::"sql:write"],
  resource in Label::"team=shop"
);

@id("dba-change-the-schema")
permit (
  principal in Group::"dba",
  action in [Action::"connect", Action::"sql:read", Action::"sql:write", Action::"sql:ddl"],
  resource is Connection
);

@id("engineers-use-the-shops-hosts")
permit (
  principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"],
  resource in Label::"team=shop"
);

@id("contractors-look-around-on-hosts")
@message("contractors run ls, cat, grep and the like here, and nothing that cannot be read")
permit (
  principal in Group::"contractors",
  action == Action::"ssh:exec",
  resource in Label::"team=shop"
) when {
  context.command.unknown.isEmpty() && context.command.writes.isEmpty() && !context.command.writesUnknown &&
  ["ls", "cat", "head", "tail", "grep", "wc", "df", "du", "ps", "uptime", "id", "pwd", "echo", "date", "whoami",
   "hostname", "uname"].containsAll(context.command.programs)
};

@id("contractors-fetch-files-from-hosts")
permit (
  principal in Group::"contractors",
  action == Action::"ssh:sftp",
  resource in Label::"team=shop"
) when { ["read", "list", "stat", "read-link"].contains(context.file.operation) };

@id("everyone-sees-their-own-sessions")
permit (
  principal is User,
  action in [
    Action::"session:view", Action::"session:replay", Action::"session:revoke", Action::"evidence:export"
  ],
  resource is Connection
) when { context.session.own };

@id("auditors-see-everything-that-happened")
permit (
  principal in Group::"auditors",
  action in [Action::"session:view", Action::"session:replay", Action::"evidence:export"],
  resource is Connection
);

@id("admins-run-the-gateway")
permit (
  principal in Group::"admin",
  action in [Action::"admin:connections", Action::"admin:policies", Action::"admin:people"],
  resource is Gateway
);

@id("admins-see-and-end-sessions")
permit (
  principal in Group::"admin",
  action in [Action::"session:view", Action::"session:replay", Action::"session:revoke"],
  resource is Connection
);
`;

export const demoConnectionName = 'shop-db';
export const demoTargetUser = 'shop';
export const demoTargetDatabase = 'shop';

export const demoHostName = 'shop-host';
/** Where its server listens comes out when that starts. */
export const demoHostAddress = 'demo:22';

/** shop-host as an admin would write it: this very machine, as the user who runs the demo. */
export function demoHost(input: { user: string; privateKey: string; hostKey: string }): ConnectionInput {
  return {
    name: demoHostName,
    protocol: 'ssh',
    address: demoHostAddress,
    hostKeys: [input.hostKey],
    credential: { user: input.user, privateKey: input.privateKey },
    labels: { team: 'shop', environment: 'demo' },
    masks: [{ detect: ['card', 'iban', 'key'], with: 'partial' }],
  };
}

/** shop-db as an admin would write it. `address` and `authentication` follow from how the target can run here. */
export function demoConnection(input: {
  address: string;
  authentication: 'scram' | 'trust';
  password: string;
}): ConnectionInput {
  return {
    name: demoConnectionName,
    protocol: 'postgres',
    address: input.address,
    database: demoTargetDatabase,
    // A unix socket in a private directory: there is no network to protect.
    tls: 'off',
    authentication: input.authentication,
    credential: { user: demoTargetUser, password: input.password },
    labels: { team: 'shop', environment: 'demo' },
    masks: [
      { columns: ['public.customers.full_name'], with: 'redact' },
      {
        columns: [
          'public.customers.email',
          'public.customers.phone',
          'public.customers.card_number',
          'public.customers.iban',
        ],
        with: 'partial',
      },
      { detect: ['email', 'phone', 'card', 'iban', 'key'], with: 'partial' },
    ],
    recording: { rows: '4MB', durability: 'strict' },
  };
}
