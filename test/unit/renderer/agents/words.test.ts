import { describe, expect, it } from 'vitest';
import {
  belowWords,
  endedWords,
  revokeAllWords,
  revokeWords,
} from '../../../../renderer/features/agents/words.js';
import { node, program, session } from './support.js';

const erin = node('erin', undefined, { name: 'Erin Engineer' });
const outer = node('outer', 'erin');
const words = (of = outer, ends = { sessions: 0, agents: 0, programs: 0 }, own = true) =>
  revokeWords(of, 'Erin Engineer', ends, own);

describe('what the dialog says', () => {
  it('names by number everything that ends', () => {
    expect(words(outer, { sessions: 4, agents: 1, programs: 2 }).text).toMatch(
      /^Ends 4 sessions of 3 sub-agents and programs, and the agent outer of Erin Engineer itself, at once\./,
    );
    expect(words(outer, { sessions: 1, agents: 0, programs: 1 }).text).toMatch(
      /^Ends 1 session of 1 program,/,
    );
    expect(words(program('p', 'outer'), { sessions: 1, agents: 0, programs: 0 }).text).toMatch(
      /^Ends 1 session of the program psql, and psql itself, at once\./,
    );
    expect(words().text).toBe(
      'Ends the agent outer of Erin Engineer at once; it has no session now. The reason goes into the audit log.',
    );
  });

  it('names by number what ends of many that look alike', () => {
    const members = [program('p', 'outer'), program('q', 'outer')] as const;
    expect(revokeAllWords(members, 'Erin Engineer', { sessions: 480, agents: 0, programs: 3 })).toEqual({
      title: 'Revoke 2 programs psql',
      text: expect.stringMatching(
        /^Ends 480 sessions of 2 programs psql of Erin Engineer, and 3 programs below them, at once\. Clients/,
      ) as unknown,
    });
  });

  it('says that a person is signed out, and whether that is oneself', () => {
    const ends = { sessions: 2, agents: 1, programs: 1 };
    expect(words(erin, ends, true).text).toContain('You are signed out, here too.');
    expect(words(erin, ends, false).text).toContain('Erin Engineer is signed out everywhere.');
  });

  it('counts one as one', () => {
    expect(belowWords({ sessions: 0, agents: 1, programs: 0 })).toBe('1 sub-agent');
    expect(belowWords({ sessions: 0, agents: 0, programs: 1200 })).toBe('1,200 programs');
    expect(belowWords({ sessions: 0, agents: 0, programs: 0 })).toBe('');
  });

  it('tells what really ended', () => {
    expect(endedWords({ ended: [session(1)] })).toBe('1 session ended.');
    expect(endedWords({ ended: [], delegations: ['a', 'b'], signIns: 1 })).toBe(
      '0 sessions, 2 agents and 1 sign-in ended.',
    );
  });
});
