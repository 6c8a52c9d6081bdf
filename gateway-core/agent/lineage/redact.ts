/** So that a terminal, a log or a table shows them and does nothing else. Also what turns the direction of text. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Until secrets are told from other words, none is shown. */
export function redactArguments(words: readonly string[], _cut = false): string[] {
  return words.map(() => '•••');
}
