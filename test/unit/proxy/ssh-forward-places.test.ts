import { describe, expect, it } from 'vitest';
import { forbiddenHost, judgedPlace } from '../../../gateway-core/proxy/ssh/forbidden-hosts.js';

const seen = (host: string, port = 80): string | undefined => judgedPlace({ host, port }, port === 0)?.host;

describe('the place of a forward', () => {
  it.each([
    '10.0.0.5',
    '10.5',
    '10.0.5',
    '0xa000005',
    '0x0a.0.0.5',
    '167772165',
    '012.0.0.5',
    '10.0.0.5.',
    '::ffff:10.0.0.5',
    '::ffff:a00:5',
    '[::FFFF:10.0.0.5]',
    '0:0:0:0:0:ffff:10.0.0.5',
    '10.0.0.5%eth0',
  ])('%s is 10.0.0.5 to a policy', (host) => {
    expect(seen(host)).toBe('10.0.0.5');
  });

  it('a name is in small letters, without the dot at its end', () => {
    expect(seen('DB.Internal.')).toBe('db.internal');
    expect(seen('LOCALHOST')).toBe('localhost');
    expect(seen('0:0::1')).toBe('::1');
    expect(seen('')).toBe('');
    expect(seen('*')).toBe('*');
  });

  it.each(['169.254.169.254 x', ' db', 'db\t', 'db\0.internal', '169.254.169.254\0.internal', 'd\u00e4b'])(
    '%j is none: some resolvers reach another one',
    (host) => {
      expect(seen(host)).toBeUndefined();
      expect(forbiddenHost(host, [])).toBeDefined();
    },
  );

  it('the path of a socket is absolute, and has one spelling', () => {
    expect(seen('/srv/open/../../var/run/docker.sock', 0)).toBe('/var/run/docker.sock');
    expect(seen('//var//run/./docker.sock/', 0)).toBe('/var/run/docker.sock');
    for (const path of ['docker.sock', '../docker.sock', '', './x', '/var/run/docker.sock\0', '/x\uFFFD'])
      expect(seen(path, 0), JSON.stringify(path)).toBeUndefined();
  });
});

describe('where nobody may forward to', () => {
  it.each([
    '169.254.169.254',
    '169.254.170.2',
    '0xa9fea9fe',
    '::ffff:169.254.169.254',
    '::169.254.169.254',
    '::ffff:0:169.254.169.254',
    '64:ff9b::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'fe80::1',
    'FE80::1%eth0',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    '224.0.0.1',
    'ff02::1',
    'metadata',
    'Metadata.Google.Internal.',
    'metadata.goog',
    'instance-data',
    'instance-data.ec2.internal',
    'Gateway.Example.',
    '64:ff9b::192.0.2.7',
    '192.0.2.7',
  ])('%s', (host) => {
    expect(forbiddenHost(host, ['gateway.example', '192.0.2.7'])).toContain('closed');
  });

  it.each([
    '127.0.0.1',
    '::1',
    '::',
    '0.0.0.0',
    'localhost',
    '10.0.0.5',
    'db.internal',
    '2001:db8::1',
    '64:ff9b::10.0.0.5',
  ])('%s is for policy to say', (host) => {
    expect(forbiddenHost(host, ['gateway.example', '192.0.2.7'])).toBeUndefined();
  });
});
