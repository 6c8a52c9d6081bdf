import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Endings } from '../../../../gateway-core/agent/service/endings.js';
import type { SessionView } from '../../../../gateway-core/contract/api.js';

const told: { name: string; payload: unknown }[] = [];
let endings: Endings;

beforeEach(() => {
  vi.useFakeTimers();
  told.length = 0;
  endings = new Endings((name, payload) => void told.push({ name, payload }));
});
afterEach(() => {
  vi.useRealTimers();
});

const session = (number: number, more: Partial<SessionView> = {}): SessionView =>
  ({
    id: `ses_${String(number).padStart(26, '0')}`,
    connection: 'shop-db',
    principal: 'demo/casey',
    chain: [{ id: 'demo/casey', kind: 'person', name: 'Casey', assurance: 'proven' }],
    state: 'ended',
    endCause: 'revoked',
    ...more,
  }) as SessionView;

it('sessions that others end together are one notice, each told once', () => {
  for (const number of [1, 2, 3, 2, 1]) endings.heard(session(number), 'demo/casey');
  vi.runAllTimers();
  endings.heard(session(3), 'demo/casey');
  vi.runAllTimers();
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ name: 'notice', payload: { title: '3 of your sessions were revoked' } });
});

it('a single one is named with its line and can be opened', () => {
  endings.heard(session(7), 'demo/casey');
  vi.runAllTimers();
  expect(told[0]?.payload).toMatchObject({
    title: 'A session was revoked',
    text: 'Casey on shop-db',
    session: session(7).id,
  });
});

it('what a person ends, what belongs to others and what ends by itself is no news', () => {
  endings.heard(session(1, { principal: 'demo/erin' }), 'demo/casey');
  endings.heard(session(2, { endCause: 'client' }), 'demo/casey');
  endings.heard(session(3, { state: 'live' }), 'demo/casey');
  endings.expected();
  endings.heard(session(4), 'demo/casey');
  vi.runAllTimers();
  expect(told).toEqual([]);
});
