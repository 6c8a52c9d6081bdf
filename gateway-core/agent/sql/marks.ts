import { z } from 'zod';

/** What the gateway says of masked values, ahead of the rows: `throughline.marks`. */
const Marks = z.union([
  /** For each column the rule that masks values of it, and whether it masks all. */
  z.object({ columns: z.array(z.tuple([z.string(), z.boolean()]).nullable()) }),
  /** Row, column, row, column, ...: rows from 0 in the result. */
  z.object({ cells: z.array(z.number().int().min(0).max(0xffff_ffff)) }),
]);
export type Marks = z.infer<typeof Marks>;
/** Of each column. */
export type MarkedColumns = Extract<Marks, { columns: unknown }>['columns'];

/** undefined: it is none. */
export function readMarks(json: string): Marks | undefined {
  try {
    return Marks.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
