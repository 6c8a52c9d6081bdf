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
export function tunnelLines(place: TunnelAddress & { readonly database: string }): {
  psql: string;
  uri: string;
  jdbc: string;
  environment: string;
} {
  const { host, port, user, database, passfile } = place;
  const [name, base] = [encodeURIComponent(user), encodeURIComponent(database)];
  return {
    psql: psqlCommand({ host, port, user, dbname: database, passfile }),
    uri: `postgresql://${name}@${host}:${port}/${base}?sslmode=disable${
      passfile === undefined ? '' : `&passfile=${encodeURIComponent(passfile)}`
    }`,
    jdbc: `jdbc:postgresql://${host}:${port}/${base}?user=${name}&sslmode=disable`,
    environment: Object.entries(libpqVariables(place))
      .map(([key, value]) => `export ${key}=${shellWord(value)}`)
      .join('; '),
  };
}
