import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statementAt, statementsOf } from '../../../../renderer/features/sql/text/statements.js';
import { cursor, sqlText } from './support.js';

const split = (text: string): string[] => statementsOf(text).map(({ start, end }) => text.slice(start, end));
const under = (marked: string): string | undefined => {
  const { text, offset } = cursor(marked);
  const found = statementAt(text, statementsOf(text), offset);
  return found === undefined ? undefined : text.slice(found.start, found.end);
};

describe('the statements of a text', () => {
  it('are in order, do not overlap, and leave out nothing but space, comments and semicolons', () => {
    fc.assert(
      fc.property(sqlText, (text) => {
        let at = 0;
        for (const { start, head, end } of statementsOf(text)) {
          expect(start).toBeGreaterThanOrEqual(at);
          expect(head).toBeGreaterThanOrEqual(start);
          expect(end).toBeGreaterThan(head);
          at = end;
        }
        expect(at).toBeLessThanOrEqual(text.length);
      }),
    );
  });

  it('end at semicolons outside of quotes, comments, brackets and routine bodies', () => {
    expect(split("select ';'; select $$;$$ ; -- ;\nselect (1;2); /* ; */")).toEqual([
      "select ';';",
      'select $$;$$ ;',
      '-- ;\nselect (1;2);',
    ]);
    const routine =
      'create or replace function f() returns int begin atomic select case when true then 1 end; end;';
    expect(split(`${routine} select 2`)).toEqual([routine, 'select 2']);
    expect(split('begin; select 1; end;')).toEqual(['begin;', 'select 1;', 'end;']);
    expect(split(' ;; -- nothing\n')).toEqual([]);
  });

  it('under the cursor: the one around it, else the one before on its line, else the one that follows on its line', () => {
    expect(under('select 1; sel|ect 2;')).toBe('select 2;');
    expect(under('select 1;|')).toBe('select 1;');
    expect(under('select 1; |\nselect 2')).toBe('select 1;');
    expect(under('select 1;\n|  select 2')).toBe('select 2');
    expect(under('select 1;\n|\nselect 2')).toBe('select 1;');
    expect(under('|\nselect 2')).toBe('select 2');
    expect(under('select 1;|select 2')).toBe('select 2');
    expect(under('|')).toBeUndefined();
  });
});
