export interface OracleHit {
  readonly start: number;
  readonly end: number;
  readonly detector: 'email' | 'card' | 'iban' | 'phone' | 'key' | 'secret';
}

/** Not behind a letter or digit; the letter of an escape such as \n does not count. */
export const free = String.raw`(?<!(?<![\\\x1c](?=[nrtbf]))[A-Za-z0-9])`;

export function at(text: string, index: number, source: string, flags = ''): string | undefined {
  const expression = new RegExp(source, `y${flags}`);
  expression.lastIndex = index;
  return expression.exec(text)?.[0];
}

/** Every index at which `source` matches, overlapping ones too. */
export function everywhere(text: string, source: string, flags = ''): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (let index = 0; index < text.length; index++) {
    const match = at(text, index, source, flags);
    if (match !== undefined) found.push({ start: index, end: index + match.length });
  }
  return found;
}
