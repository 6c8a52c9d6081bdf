import { CopyButton } from './copy-line.js';

/** `ses_01J…8QXZ`: enough to tell two apart, the whole in the tooltip and the clipboard. */
export function ShortId({ id }: { readonly id: string }) {
  const short = id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
  return (
    <span className="tl-short-id">
      <code title={id}>{short}</code>
      <CopyButton text={id} label="Copy the whole id" />
    </span>
  );
}
