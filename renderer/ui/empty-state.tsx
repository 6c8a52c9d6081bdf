import type { ReactNode } from 'react';
import { CopyLine } from './copy-line.js';
import type { Icon } from './workbench.js';

/** Nothing here yet: what it is for, and the next step. */
export function EmptyState({
  icon: Sign,
  title,
  text,
  command,
  children,
}: {
  readonly icon: Icon;
  readonly title: string;
  readonly text?: string;
  readonly command?: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className="tl-empty">
      <Sign size={28} stroke={1.4} />
      <p className="tl-empty-title">{title}</p>
      {text !== undefined && <p>{text}</p>}
      {command !== undefined && <CopyLine text={command} label="Copy the command" />}
      {children}
    </div>
  );
}
