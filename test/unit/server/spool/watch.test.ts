import { describe, expect, it } from 'vitest';
import { firstRecordMs, nextRecordMs, RecordWatch } from '../../../../gateway-core/server/spool/watch.js';
import { ids } from './setup.js';

function watched() {
  let now = 0;
  const watch = new RecordWatch(() => now);
  const id = ids.next(1_700_000_000_000, 'd');
  const wire = { blocks: 0 };
  const ended: string[] = [];
  watch.add({
    id,
    wire,
    end: (_, reason) => {
      ended.push(reason);
      return Promise.resolve();
    },
  });
  const pass = (ms: number) => {
    now += ms;
    watch.check();
  };
  return { watch, id, wire, ended, pass };
}

describe('a session that must be recorded by the desktop', () => {
  it('is ended once when its first record does not come', () => {
    const { ended, pass } = watched();
    pass(firstRecordMs - 1);
    expect(ended).toEqual([]);
    pass(1);
    pass(firstRecordMs);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toContain('did not begin');
  });

  it('goes on for as long as it moves nothing that the desktop would have to record', () => {
    const { watch, id, ended, pass } = watched();
    watch.arrived([id]);
    for (let hour = 0; hour < 24; hour += 1) pass(3600_000);
    expect(ended).toEqual([]);
  });

  it('is ended when blocks pass and no record of them comes', () => {
    const { watch, id, wire, ended, pass } = watched();
    watch.arrived([id]);
    wire.blocks = 1;
    pass(1000);
    pass(nextRecordMs - 1);
    expect(ended).toEqual([]);
    pass(1);
    expect(ended[0]).toContain('has stopped');
  });

  it('goes on when records come, and when it has ended nobody ends it', () => {
    const { watch, id, wire, ended, pass } = watched();
    for (let minute = 0; minute < 30; minute += 1) {
      watch.arrived([id]);
      wire.blocks += 1;
      pass(60_000);
    }
    expect(ended).toEqual([]);
    watch.remove(id);
    pass(nextRecordMs * 2);
    expect(ended).toEqual([]);
  });
});
