import { describe, expect, it } from 'vitest';
import type { SpoolState } from '../../../../gateway-core/contract/bridge/app.js';
import { spoolWords } from '../../../../renderer/app/spool-words.js';

const nowMs = Date.parse('2026-11-21T12:00:00.000Z');
const idle: SpoolState = { working: true, records: 0, bytes: 0, refused: [] };

describe('what the status bar says of the spool', () => {
  it('is a plain number while everything is on its way', () => {
    expect(spoolWords(idle, nowMs)).toMatchObject({ tone: 'good', text: '0' });
    const young = { ...idle, records: 7, bytes: 2000, oldestAt: '2026-11-21T11:59:30.000Z' };
    expect(spoolWords(young, nowMs)).toMatchObject({ tone: 'good', text: '7' });
  });

  it('has the age of what waits for long, and why', () => {
    const old = {
      ...idle,
      records: 7,
      bytes: 2000,
      oldestAt: '2026-11-18T12:00:00.000Z',
      waiting: 'the gateway cannot be reached',
    };
    const words = spoolWords(old, nowMs);
    expect(words.tone).toBe('wait');
    expect(words.text).toMatch(/^7, \d/);
    expect(words.title).toContain('the gateway cannot be reached');
  });

  it('warns of what is refused, and of sessions that nothing was recorded of', () => {
    const refused = { ...idle, refused: [{ segment: 4711, reason: 'another device' }] };
    expect(spoolWords(refused, nowMs)).toMatchObject({ tone: 'wait' });
    expect(spoolWords(refused, nowMs).title).toContain('4711 is not taken: another device');
    expect(spoolWords({ ...idle, unrecorded: 2 }, nowMs).title).toContain('2 sessions ran without a record');
  });

  it('never looks well when nothing can be recorded', () => {
    const full = { ...idle, working: false, trouble: 'the disk is full' };
    expect(spoolWords(full, nowMs)).toMatchObject({ tone: 'bad', text: '0, not recording' });
    expect(spoolWords(full, nowMs).title).toContain('the disk is full');
  });
});
