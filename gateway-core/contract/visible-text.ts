/**
 * Characters that change how others are read, or are not seen at all: controls, bidirectional overrides, zero-width and
 * other format characters, lone surrogates. Data may hold them to deceive, so they are shown as what they are.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu;
/** Between letters of scripts and emoji that need them these two are ordinary. */
const joiners = /\u200c|\u200d/;

const names: Readonly<Record<string, string>> = {
  '\n': '↵',
  '\r': '␍',
  '\t': '→',
  '\u0000': '␀',
  '\u001b': '␛',
};

export interface Piece {
  readonly text: string;
  /** It stands for a character that would not be seen. */
  readonly sign: boolean;
}

/**
 * Cuts text into what is shown as it is and signs for what is not seen. `lines`: line breaks and tabs stay as they are,
 * for text that is shown with its lines.
 */
export function visiblePieces(text: string, lines = false): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(unseen)) {
    const [character] = match;
    if (lines && (character === '\n' || character === '\t')) continue;
    if (joiners.test(character) && isJoining(text, match.index)) continue;
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), sign: false });
    pieces.push({ text: names[character] ?? codeOf(character), sign: true });
    at = match.index + character.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), sign: false });
  return pieces;
}

/** A joiner between two letters or pictographs shapes them; anywhere else it only hides. */
function isJoining(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 2), index);
  const after = text.slice(index + 1, index + 3);
  return (
    /[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]$/u.test(before) &&
    /^[\p{L}\p{M}\p{Extended_Pictographic}]/u.test(after) &&
    !/[a-z]$/i.test(before)
  );
}

function codeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** As plain text: for titles and labels, where no element can stand. */
export function visibleText(text: string, charactersMax = 500): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return visiblePieces(cut)
    .map((piece) => piece.text)
    .join('');
}
