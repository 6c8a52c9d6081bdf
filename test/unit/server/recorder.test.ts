import { expect, it, vi } from 'vitest';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import type { Durability, JournalFailure, Recorder } from '../../../gateway-core/contract/recorder.js';
import { gatewayRecorder } from '../../../gateway-core/server/recorder.js';

type Done = Parameters<Recorder['event']>[2];

/** A journal that answers when the test says so, in whatever order. */
function newJournal() {
  const waiting: { event: AuditEventInput; durability: Durability; done: Done }[] = [];
  const heard: string[] = [];
  const log: string[] = [];
  const journal: Recorder = {
    event: (event, durability, done) => void waiting.push({ event, durability, done }),
    content: () => undefined,
    flush: () => undefined,
    backlogBytes: () => 0,
    failed: undefined,
  };
  const hears = vi.fn((event: AuditEventInput, kept: boolean) => {
    heard.push(`${nameOf(event)} ${kept ? 'kept' : 'lost'}`);
  });
  const recorder = gatewayRecorder({
    journal,
    heard: hears,
    maskText: (text) => text,
    log: (line) => log.push(line),
  });
  return { waiting, heard, log, hears, recorder };
}

function read(query: string): AuditEventInput {
  return { kind: 'record.read', by: 'demo/admin', what: 'search', query };
}

function nameOf(event: AuditEventInput): string {
  return event.kind === 'record.read' ? (event.query ?? '') : event.kind;
}

const failure = new ThroughlineError('not-recordable', 'the disk is full') as JournalFailure;
const appended = { position: 0 } as Parameters<Done>[0];

it('an event is told on only once it stands in the journal', () => {
  const { waiting, heard, recorder } = newJournal();
  const order: string[] = [];
  recorder.journal.event(read('a'), 'durable', () => order.push('done'));
  expect(heard).toEqual([]);
  waiting[0]?.done(appended);
  expect(heard).toEqual(['a kept']);
  expect(order).toEqual(['done']);
});

it('events are told on in the order in which they were handed over, whatever their durability', () => {
  const { waiting, heard, recorder } = newJournal();
  for (const name of ['a', 'b', 'c']) recorder.journal.event(read(name), 'recorded', () => undefined);
  waiting[1]?.done(appended);
  waiting[2]?.done(appended);
  expect(heard).toEqual([]);
  waiting[0]?.done(appended);
  expect(heard).toEqual(['a kept', 'b kept', 'c kept']);
});

it('an event that the journal refuses is never told on as one that is kept', async () => {
  const { waiting, heard, recorder } = newJournal();
  const recorded = recorder.record(read('a'));
  waiting[0]?.done(failure);
  await expect(recorded).rejects.toThrow('the disk is full');
  expect(heard).toEqual(['a lost']);
});

it('who hears cannot break who records', async () => {
  const { waiting, log, hears, recorder } = newJournal();
  hears.mockImplementationOnce(() => {
    throw new Error('a secret in a message');
  });
  const recorded = [recorder.record(read('a')), recorder.record(read('b'))];
  for (const { done } of waiting) done(appended);
  await Promise.all(recorded);
  expect(hears).toHaveBeenCalledTimes(2);
  expect(log).toHaveLength(1);
  expect(log[0]).not.toContain('secret');
});
