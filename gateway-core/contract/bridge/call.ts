import { z } from 'zod';

/** One call of the map: who answers, what it takes, what it gives. */
export type Call = {
  readonly at: 'host' | 'agent';
  readonly input: z.ZodType;
  readonly output: z.ZodType;
};

export const call = <A extends Call['at'], I extends z.ZodType, O extends z.ZodType>(
  at: A,
  input: I,
  output: O,
) => ({ at, input, output });
export const none = z.object({}).strict();
export const done = z.object({});
