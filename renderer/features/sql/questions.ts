import type { SqlSession } from '../../../gateway-core/contract/bridge/sql.js';
import { workbench } from '../../ui/workbench.js';
import { unguarded } from './text/guard.js';

async function sure(title: string, text: string, button: string): Promise<boolean> {
  const answer = await workbench().confirm({ title, text, button, danger: true });
  return answer !== undefined;
}

/** Whether a text may run that would change whole tables. */
export async function mayRun(text: string): Promise<boolean> {
  const [first, ...others] = unguarded(text);
  if (first === undefined) return true;
  const more = others.length === 0 ? '' : `, and ${others.length} more statements like it`;
  return sure(`${first.verb} without WHERE`, `Changes every row of ${first.table}${more}.`, 'Run it');
}

export function mayAnalyze(): Promise<boolean> {
  const text = 'It is executed to be measured: what it changes is changed, and it takes as long as it takes.';
  return sure('EXPLAIN ANALYZE runs the statement', text, 'Run and measure');
}

/** Whether a session may end that could hold a transaction. */
export async function mayLeaveTransaction(session: SqlSession | undefined): Promise<boolean> {
  if (session === undefined || session.state === 'closed' || session.transaction === 'idle') return true;
  const text = 'Closing rolls it back: what it changed is lost.';
  return sure(`A transaction is open on ${session.connection}`, text, 'Roll back and close');
}

export async function mayLeaveText(title: string, unsaved: boolean): Promise<boolean> {
  if (!unsaved) return true;
  const text = 'Its text is thrown away. What was run of it stays in the history.';
  return sure(`${title} is not saved`, text, 'Close without saving');
}
