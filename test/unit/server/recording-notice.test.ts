import { describe, expect, it } from 'vitest';
import { RecordingNotice } from '../../../gateway-core/contract/bridge/app.js';
import { ConnectionConfig } from '../../../gateway-core/contract/connection.js';
import { GatewayConfig } from '../../../gateway-core/server/config.js';
import type { Connection } from '../../../gateway-core/server/connections.js';
import { recordingNotice } from '../../../gateway-core/server/recording-notice.js';

function connection(rows: string | number | undefined, at = 0): Connection {
  const config = ConnectionConfig.parse({
    name: `shop-${at}`,
    protocol: 'postgres',
    address: 'db.test:5432',
    ...(rows === undefined ? {} : { recording: { rows } }),
  });
  return { ...config, credentialKind: 'none' };
}

const rowsSentence = (...rows: readonly (string | number | undefined)[]): string | undefined =>
  recordingNotice(rows.map(connection), undefined, false).what.find((line) =>
    /^Of results|^What comes back/.test(line),
  );

const head = 'What comes back, masked as you see it, and what you send with COPY: ';
const limited = 'rows up to a limit for each result, past it counts and a hash';

describe('the notice of what is recorded', () => {
  it.each([
    [['none'], 'Of results: columns, row counts and a hash, not the rows themselves.'],
    [[0, '0B', 'none'], 'Of results: columns, row counts and a hash, not the rows themselves.'],
    [['all'], `${head}all rows.`],
    [['all', 'all'], `${head}all rows.`],
    [['4MB'], `${head}${limited}.`],
    [[undefined], `${head}${limited}.`],
    [[], `${head}${limited}.`],
    [['all', '4MB'], `${head}all rows on some connections; on others ${limited}.`],
    [['none', 'all'], `${head}all rows on some connections; on others no rows, only counts and a hash.`],
    [['none', 1000], `${head}${limited} on some connections; on others no rows, only counts and a hash.`],
    [
      ['none', 1000, 'all'],
      `${head}all rows on some connections; on others ${limited}; on others no rows, only counts and a hash.`,
    ],
  ])('says of rows that are kept %j what that means', (rows, sentence) => {
    expect(rowsSentence(...rows)).toBe(sentence);
  });

  it.each([
    ['1d', 1],
    ['90d', 90],
    ['12w', 84],
    ['99999w', 699_993],
  ])('says of recordings that are kept %s that these are %i days', (text, days) => {
    const { retention } = GatewayConfig.parse({ retention: { recordings: text } });
    const notice = recordingNotice([], retention?.recordings, false);
    expect(RecordingNotice.parse(notice).recordingDays).toBe(days);
  });

  it('names no days when recordings are kept for good', () => {
    expect(recordingNotice([], undefined, false)).not.toHaveProperty('recordingDays');
  });

  it('says that the demo is one, only in the demo', () => {
    const lines = (demo: boolean): string => recordingNotice([], undefined, demo).what.join('\n');
    expect(lines(true)).toContain('This is the demo');
    expect(lines(false)).not.toContain('demo');
  });

  it('names no connection, no address and no person', () => {
    const text = JSON.stringify(recordingNotice([connection('all')], 1, false));
    expect(text).not.toMatch(/shop|db\.test/);
  });
});
