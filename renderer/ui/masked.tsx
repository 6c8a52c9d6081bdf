import { maskTraces } from '../../gateway-core/contract/masks.js';
import { VisibleText } from './visible-text.js';

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
  return maskTraces.test(text) ? <Masked text={text} /> : <VisibleText text={text} />;
}
