import { VisibleText } from './visible-text.js';

/** What masks leave behind: a word of their own, stars, a keyed hash. */
const traces = /\[masked\]|\*{2,}|^h:[0-9a-f]{16}$/;

/** A masked value, hatched; `rule` is said where it is known. */
export function Masked({ text, rule }: { readonly text: string; readonly rule?: string | undefined }) {
  return (
    <span className="tl-masked" title={rule === undefined ? 'masked' : `masked, ${rule}`}>
      <VisibleText text={text} />
    </span>
  );
}

/** A recorded value: hatched where it carries a mask's trace. The recording holds the masked bytes and no rule. */
export function MaskedText({ text }: { readonly text: string }) {
  return traces.test(text) ? <Masked text={text} /> : <VisibleText text={text} />;
}
