/** One word of a POSIX shell's command line. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A psql command line with a libpq connection string (PostgreSQL manual, 34.1.1.1): names cannot smuggle in settings. */
export function psqlCommand(settings: Readonly<Record<string, string | number | undefined>>): string {
  const words = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${conninfoValue(String(value))}`],
  );
  const text = words.join(' ');
  return `psql ${/^[A-Za-z0-9_./:@ =-]+$/.test(text) ? `"${text}"` : shellWord(text)}`;
}

function conninfoValue(text: string): string {
  return /^[A-Za-z0-9_./:@-]+$/.test(text) ? text : `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}

/** A tunnel as libpq takes it. */
export interface TunnelAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database?: string | undefined;
  /** Where the tunnel has a password: the file that holds it. */
  readonly passfile?: string | undefined;
}

/** PostgreSQL manual, 34.15. The loopback hop has no TLS; the rest of the way has. */
export function libpqVariables({
  host,
  port,
  user,
  database,
  passfile,
}: TunnelAddress): Record<string, string> {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    ...(database === undefined ? {} : { PGDATABASE: database }),
    ...(passfile === undefined ? {} : { PGPASSFILE: passfile }),
    PGSSLMODE: 'disable',
  };
}

/** The same for a program that is started: also what its environment says of GSSAPI does not hold. */
export function programVariables(address: TunnelAddress): Record<string, string> {
  return { ...libpqVariables(address), PGGSSENCMODE: 'disable' };
}

/** What a person pastes into other tools to go through a tunnel. No password stands in any of them. */
export function tunnelLines(place: TunnelAddress & { readonly database: string }): TunnelLine[] {
  const { host, port, user, database, passfile } = place;
  const [name, base] = [encodeURIComponent(user), encodeURIComponent(database)];
  const pass = passfile === undefined ? '' : `&passfile=${encodeURIComponent(passfile)}`;
  const variables = Object.entries(libpqVariables(place));
  return [
    { name: 'psql', text: psqlCommand({ host, port, user, dbname: database, passfile }) },
    { name: 'URI', text: `postgresql://${name}@${host}:${port}/${base}?sslmode=disable${pass}` },
    { name: 'JDBC', text: `jdbc:postgresql://${host}:${port}/${base}?user=${name}&sslmode=disable` },
    {
      name: 'Environment',
      text: variables.map(([key, value]) => `export ${key}=${shellWord(value)}`).join('; '),
    },
  ];
}

/** ssh to a connection by the files that were written for it. */
export function sshCommand(connection: string, config: string): string {
  return `ssh -F ${shellWord(config)} ${connection}`;
}

/** The same for a tunnel to an SSH connection. */
export function sshLines(
  connection: string,
  { config, include }: { config: string; include: string },
): TunnelLine[] {
  return [
    { name: 'ssh', text: sshCommand(connection, config) },
    { name: '~/.ssh/config', text: `Include ${include}` },
  ];
}

export interface TunnelLine {
  readonly name: string;
  readonly text: string;
}
