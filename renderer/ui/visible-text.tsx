import { visiblePieces } from '../../gateway-core/contract/visible-text.js';

export { visibleText } from '../../gateway-core/contract/visible-text.js';

/** Text from anywhere, never read as markup, nothing in it unseen. */
export function VisibleText({ text, lines }: { readonly text: string; readonly lines?: boolean }) {
  const pieces = visiblePieces(text, lines ?? text.includes('\n'));
  if (pieces.length === 0) return null;
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined && !only.sign) return <bdi>{only.text}</bdi>;
  return (
    <bdi>
      {pieces.map((piece, index) =>
        // A piece has no identity but its place.
        piece.sign ? (
          <span key={`${index}`} className="tl-sign">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}
