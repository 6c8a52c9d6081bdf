export interface ArgumentSpec {
  /** As commander writes it: `NAME`, `CMD...`; `[NAME]` may be left out. */
  readonly name: string;
  readonly summary: string;
  /** What a shell offers for it. */
  readonly completes?: 'connections' | 'sessions' | 'agents' | 'files' | readonly string[];
}

export interface OptionSpec {
  /** `--port N` or `--live`. */
  readonly flags: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly completes?: 'files' | readonly string[];
}

export interface CommandSpec {
  /** Words as typed: `sessions show`. */
  readonly name: string;
  readonly summary: string;
  /** Sentences below the usage line. */
  readonly details?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly examples: readonly string[];
  /** Exit status of every failure that is the command's own. */
  readonly failureStatus?: number;
  readonly hidden?: boolean;
}

const json: OptionSpec = { flags: '--json', summary: 'print JSON for scripts' };
const gateway: OptionSpec = {
  flags: '--gateway URL',
  summary: 'another gateway than the last one signed in to',
};
const client: readonly OptionSpec[] = [json, gateway];
const identity: OptionSpec = {
  flags: '--identity FILE',
  summary: 'your age key, when the bundle is encrypted',
  completes: 'files',
};
const connectionName: ArgumentSpec = { name: 'NAME', summary: 'a connection', completes: 'connections' };

/** Groups of commands, as their help names them. */
export const groups: Readonly<Record<string, string>> = {
  revoke: 'end something that runs',
  log: 'check the audit log',
  admin: 'what the admin pages do, for scripts',
  'admin connections': 'register, show and remove targets',
  'admin policies': 'show and change the Cedar policies',
};

/** Every command there is. Program, help and completion are made of this list. */
export const specs: readonly CommandSpec[] = [
  {
    name: 'up',
    summary: 'run a gateway in the foreground',
    details: 'Ctrl-C ends it gracefully, a second one at once.',
    options: [
      { flags: '--demo', summary: 'with a demo identity provider, demo connections and sample data' },
      {
        flags: '--data DIR',
        summary: 'where the gateway keeps what it has (default: per user)',
        completes: 'files',
      },
      {
        flags: '--keys DIR',
        summary: 'where its keys are; never inside the data directory',
        completes: 'files',
      },
      { flags: '--listen HOST:PORT', summary: 'default 127.0.0.1:7443; port 0 takes any free one' },
      { flags: '--config FILE', summary: 'config file (YAML)', completes: 'files' },
      { flags: '--json', summary: 'print one JSON line when it accepts connections' },
    ],
    examples: ['throughline up --demo', 'throughline up --config gateway.yaml --listen 0.0.0.0:7443'],
  },
  {
    name: 'login',
    summary: 'sign in, in the browser unless told otherwise',
    options: [
      { flags: '--gateway URL', summary: 'default: the last one, else https://127.0.0.1:7443' },
      { flags: '--device', summary: 'show a code to confirm on another device' },
      {
        flags: '--jwt FILE|-',
        summary: 'sign in as a workload, with the OIDC token of its platform',
        completes: 'files',
      },
      {
        flags: '--demo-user NAME',
        summary: 'sign in to a demo gateway on this machine without a browser',
        completes: ['contractor', 'engineer', 'approver', 'admin', 'auditor'],
      },
      {
        flags: '--demo-secret FILE',
        summary: 'the secret of that demo (default: of the one that `up` runs here)',
        completes: 'files',
      },
      {
        flags: '--ca FILE',
        summary: "trust the gateway's own certificate authority (PEM)",
        completes: 'files',
      },
      { flags: '--fingerprint SHA256', summary: 'trust exactly the certificate with this fingerprint' },
      json,
    ],
    examples: [
      'throughline login --gateway https://gateway.example.com',
      'throughline login --device',
      'throughline login --demo-user contractor',
    ],
  },
  {
    name: 'logout',
    summary: 'end the sign-in, here and at the gateway',
    options: client,
    examples: ['throughline logout'],
  },
  {
    name: 'whoami',
    summary: 'who is signed in, and how the sign-in is kept',
    options: client,
    examples: ['throughline whoami', 'throughline whoami --json'],
  },
  {
    name: 'connections',
    summary: 'what you may use',
    options: client,
    examples: ['throughline connections'],
  },
  {
    name: 'connect',
    summary: 'open a tunnel and keep it open until Ctrl-C',
    details:
      'The port lets only your own processes in, without a password. Where the platform cannot tell whose a socket is, ' +
      'the tunnel has a password of its own, and its sessions say `unattributed`.',
    arguments: [connectionName],
    options: [
      { flags: '--port N', summary: 'local port (default: the same as last time, else any)' },
      {
        flags: '--native',
        summary:
          'no tunnel: ssh goes to the gateway’s own listener, with a key of this device that lasts as long',
      },
      ...client,
    ],
    examples: [
      'throughline connect shop-db',
      'throughline connect shop-db --port 15432',
      'throughline connect shop-host --native',
    ],
  },
  {
    name: 'exec',
    summary: 'run a program with a tunnel of its own',
    details:
      'The program finds the connection in its environment (PGHOST, PGPORT, PGUSER, PGDATABASE). ' +
      'The exit status is that of the program; 125 when it was never run.',
    arguments: [connectionName, { name: 'CMD...', summary: 'the program and its arguments, after --' }],
    options: client,
    examples: [
      "throughline exec shop-db -- psql -c 'select 1'",
      'throughline exec shop-db -- pg_dump -Fc -f shop.dump',
    ],
    failureStatus: 125,
  },
  {
    name: 'run',
    summary: 'run a program as a sub-agent, with a delegation of its own',
    details:
      'The program and everything that it starts acts under the delegation, which can only narrow what you may: fewer ' +
      'connections, fewer actions, less time. It finds its connections in the environment (PGHOST..., and ' +
      '`psql service=NAME` for each). Below it, `throughline run` nests. ' +
      'The exit status is that of the program; 125 when it was never run. ' +
      'When the delegation ends before the program (revoked, expired, its parent gone), the program and everything that ' +
      'it has started get SIGTERM, five seconds later SIGKILL, and the exit status is 125.',
    arguments: [{ name: 'CMD...', summary: 'the program and its arguments, after --' }],
    options: [
      { flags: '--agent LABEL', summary: 'names it in every record and to policies', required: true },
      { flags: '--connections A,B', summary: 'only these (default: all of yours)' },
      { flags: '--actions LIST', summary: 'only these: read, write, ddl, admin, shell, exec, sftp, forward' },
      {
        flags: '--ttl TIME',
        summary: 'how long it may act: 30m, 2h (default 1h, and never longer than you)',
      },
      { flags: '--depth N', summary: 'levels of agents that it may start in turn' },
      { flags: '--sessions N', summary: 'sessions that it may open in all' },
      { flags: '--children N', summary: 'agents that it may start in all' },
      { flags: '--purpose TEXT', summary: 'for those who watch' },
      { flags: '--keep', summary: 'leave the program running when its delegation ends' },
      {
        flags: '--isolate',
        summary: 'in a sandbox (bubblewrap): own network and processes, sign-in state hidden; nothing nests',
      },
      ...client,
    ],
    examples: [
      'throughline run --agent reviewer --connections shop-db --actions read --ttl 30m -- claude',
      "throughline run --agent nightly --depth 0 -- psql service=shop-db -c 'select 1'",
    ],
    failureStatus: 125,
  },
  {
    name: 'agents',
    summary: 'who acts now: people, their agents and sub-agents, programs and sessions',
    options: [{ flags: '--watch', summary: 'go on, one change a line' }, ...client],
    examples: ['throughline agents', 'throughline agents --watch --json'],
  },
  {
    name: 'agents show',
    summary: 'everything that was done below an agent, a program or a person, as one timeline',
    arguments: [
      { name: 'ID', summary: 'a node of `throughline agents`, also one that has ended', completes: 'agents' },
    ],
    options: [
      { flags: '--ocsf', summary: 'one OCSF event a line (Datastore Activity, with its delegation)' },
      ...client,
    ],
    examples: [
      'throughline agents show dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
      'throughline agents show demo/engineer --ocsf',
    ],
  },
  {
    name: 'agent',
    summary: 'keep tunnels open in the background, as the desktop does, without the desktop',
    details:
      'Each tunnel has its port of last time, and comes back after a break of the gateway. ' +
      'It ends with Ctrl-C, or when the sign-in ends. With --json it prints one change a line.',
    options: [
      { flags: '--connections A,B', summary: 'which (default: those that had a tunnel here before)' },
      ...client,
    ],
    examples: ['throughline agent --connections shop-db', 'throughline agent --json'],
  },
  {
    name: 'handle',
    summary: 'a short-lived user and password for a tool that cannot use a tunnel',
    arguments: [connectionName],
    options: [
      { flags: '--ttl TIME', summary: 'how long new sessions may start, for example 10m' },
      { flags: '--sessions N', summary: 'how many sessions may start' },
      ...client,
    ],
    examples: ['throughline handle shop-db --ttl 5m --sessions 1'],
  },
  {
    name: 'sessions',
    summary: 'sessions that run or ran, newest first',
    options: [
      { flags: '--live', summary: 'only those that run now' },
      { flags: '--of PRINCIPAL', summary: 'only those of one person or agent' },
      ...client,
    ],
    examples: ['throughline sessions --live', 'throughline sessions --of demo/contractor --json'],
  },
  {
    name: 'sessions show',
    summary: 'one session with its statements and decisions',
    arguments: [{ name: 'ID', summary: 'a session', completes: 'sessions' }],
    options: client,
    examples: ['throughline sessions show ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X'],
  },
  {
    name: 'revoke session',
    summary: 'end a running session at once',
    arguments: [{ name: 'ID', summary: 'a session', completes: 'sessions' }],
    options: [{ flags: '--reason TEXT', summary: 'goes into the audit log', required: true }, ...client],
    examples: ["throughline revoke session ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X --reason 'wrong database'"],
  },
  {
    name: 'revoke agent',
    summary: 'end agents, sub-agents or programs with everything below them',
    details:
      'Their sessions end, and nothing below them opens another one. Of several: all, or none where one may not be ended.',
    arguments: [{ name: 'ID...', summary: 'nodes of `throughline agents`', completes: 'agents' }],
    options: [{ flags: '--reason TEXT', summary: 'goes into the audit log', required: true }, ...client],
    examples: ["throughline revoke agent dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X --reason 'runs wild'"],
  },
  {
    name: 'revoke device',
    summary: 'end every sign-in of a device, with its sessions and delegations',
    arguments: [{ name: 'KEY', summary: "the device's key, as whoami shows it" }],
    options: [{ flags: '--reason TEXT', summary: 'goes into the audit log', required: true }, ...client],
    examples: [
      "throughline revoke device NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --reason 'lost laptop'",
    ],
  },
  {
    name: 'revoke principal',
    summary: 'end everything of a person or workload',
    arguments: [{ name: 'NAME', summary: 'as in `throughline admin people`' }],
    options: [{ flags: '--reason TEXT', summary: 'goes into the audit log', required: true }, ...client],
    examples: ["throughline revoke principal demo/contractor --reason 'contract has ended'"],
  },
  {
    name: 'replay',
    summary: 'show what a session did and what came back',
    details:
      'From a bundle it needs no gateway: the bundle is checked first, and exit status 5 says that it was changed.',
    arguments: [
      { name: 'SESSION|FILE', summary: 'a session, or a bundle that `export` wrote', completes: 'sessions' },
      { name: '[SESSION]', summary: 'a session of the bundle (default: all of them)' },
    ],
    options: [
      {
        flags: '--speed N',
        summary: 'in time: 1 as it was, 10 ten times faster; terminals are played (default: at once)',
      },
      {
        flags: '--follow',
        summary: 'watch it live from now on, as it runs: whose it is, is told of it',
      },
      {
        flags: '--asciicast',
        summary: 'write a terminal as an asciicast (version 3) in place of showing it',
      },
      { flags: '--file', summary: 'write what was kept of a file that moved by SFTP (@keep in a policy)' },
      { flags: '-o, --output FILE', summary: 'where to, with --asciicast or --file', completes: 'files' },
      { flags: '--statement N', summary: 'whose terminal or file (default: the first)' },
      identity,
      ...client,
    ],
    examples: [
      'throughline replay ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
      'throughline replay ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X --speed 4',
      'throughline replay ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X --follow',
      'throughline replay ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X --asciicast -o session.cast',
      'throughline replay evidence.zip',
    ],
  },
  {
    name: 'export',
    summary: 'write an offline bundle of a session, or of everything below an agent',
    details:
      'One ZIP with what was done, what came back (masked), who did it, the policies that decided, and proofs that ' +
      'hold without the gateway. Open its viewer.html in a browser, or check it with `throughline verify`.',
    arguments: [{ name: '[SESSION]', summary: 'a session', completes: 'sessions' }],
    options: [
      { flags: '-o, --output FILE', summary: 'where to', completes: 'files' },
      { flags: '--agent ID', summary: 'everything below this agent, program or person' },
      { flags: '--to RECIPIENT', summary: 'encrypt to age recipients (age1...), several with commas' },
      {
        flags: '--results LIST',
        summary: 'result sets as ndjson, csv, parquet or none (default: ndjson,csv)',
      },
      { flags: '--reason TEXT', summary: 'goes into the audit log' },
      { flags: '--force', summary: 'replace a file that is there' },
      ...client,
    ],
    examples: [
      'throughline export ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X -o evidence.zip',
      'throughline export --agent dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X -o run.zip --results csv,parquet',
    ],
  },
  {
    name: 'search',
    summary: 'find statements and masked content',
    arguments: [{ name: 'QUERY...', summary: 'words' }],
    options: client,
    examples: ['throughline search customers', 'throughline search "delete from orders" --json'],
  },
  {
    name: 'verify',
    summary: 'check an offline bundle, without a gateway',
    details:
      'Says what is proved, by which key, and what is not. Exit status 5 on any problem. Without --key only the ' +
      'fingerprint at the end says whose log it is: compare it with the one that the operator published.',
    arguments: [{ name: 'FILE', summary: 'a bundle that `throughline export` wrote', completes: 'files' }],
    options: [
      {
        flags: '--key VKEY|FILE',
        summary: "the gateway's verifier key as it was published, or its fingerprint (sha256:...)",
        completes: 'files',
      },
      identity,
      json,
    ],
    examples: [
      'throughline verify evidence.zip --key gateway.vkey',
      'throughline verify evidence.zip.age --identity ~/.config/age/key.txt --json',
    ],
  },
  {
    name: 'log verify',
    summary: 'check the whole audit log',
    details: 'Exit status 5 when something does not hold.',
    options: [
      {
        flags: '--data DIR',
        summary: 'check a data directory on this machine, without a gateway',
        completes: 'files',
      },
      ...client,
    ],
    examples: ['throughline log verify', 'throughline log verify --data ./gateway-data --json'],
  },
  {
    name: 'log checkpoint',
    summary: 'print the latest signed checkpoint of the audit log',
    options: client,
    examples: ['throughline log checkpoint > checkpoint.txt'],
  },
  {
    name: 'receipts',
    summary: 'what this device keeps of the audit log, checked again without the gateway',
    options: client,
    examples: ['throughline receipts', 'throughline receipts --json'],
  },
  {
    name: 'admin connections list',
    summary: 'all registered connections',
    options: client,
    examples: ['throughline admin connections list'],
  },
  {
    name: 'admin connections add',
    summary: 'register or change connections from a file',
    arguments: [{ name: 'FILE', summary: 'YAML or JSON; - reads standard input', completes: 'files' }],
    options: client,
    examples: ['throughline admin connections add orders.yaml'],
  },
  {
    name: 'admin connections show',
    summary: 'one connection as it is registered, without its credential',
    arguments: [connectionName],
    options: client,
    examples: ['throughline admin connections show orders'],
  },
  {
    name: 'admin connections remove',
    summary: 'remove a connection and its credential',
    arguments: [connectionName],
    options: client,
    examples: ['throughline admin connections remove orders'],
  },
  {
    name: 'admin policies list',
    summary: 'versions of the policies',
    options: client,
    examples: ['throughline admin policies list'],
  },
  {
    name: 'admin policies show',
    summary: 'the policies in force, as text that `put` takes',
    options: client,
    examples: ['throughline admin policies show > policies.cedar'],
  },
  {
    name: 'admin policies put',
    summary: 'put policies from a Cedar file into force',
    arguments: [{ name: 'FILE', summary: 'Cedar; - reads standard input', completes: 'files' }],
    options: client,
    examples: ['throughline admin policies put policies.cedar'],
  },
  {
    name: 'admin people',
    summary: 'who has signed in',
    options: client,
    examples: ['throughline admin people'],
  },
  {
    name: 'admin devices',
    summary: 'desktops that record their side, what waits there, and what was refused of them',
    options: client,
    examples: ['throughline admin devices'],
  },
  {
    name: 'completion',
    summary: 'print a completion script for your shell',
    arguments: [{ name: 'SHELL', summary: 'bash, zsh or fish', completes: ['bash', 'zsh', 'fish'] }],
    examples: [
      'source <(throughline completion bash)',
      'throughline completion zsh > ~/.zfunc/_throughline',
      'throughline completion fish > ~/.config/fish/completions/throughline.fish',
    ],
  },
  {
    name: '__complete',
    summary: 'what a completion script asks for',
    arguments: [{ name: 'KIND', summary: 'connections or sessions' }],
    examples: [],
    hidden: true,
  },
];
