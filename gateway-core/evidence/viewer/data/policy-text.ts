/** One policy of a Cedar text: where it stands, comments before it included, and its `@id`. */
export interface PolicyPart {
  readonly text: string;
  readonly id: string | undefined;
}

const idPattern = /@id\s*\(\s*"((?:[^"\\]|\\.)*)"\s*\)/;

/**
 * Cuts a Cedar text after each policy (https://docs.cedarpolicy.com/policies/syntax-grammar.html: a policy ends with
 * `;`). Joined, the parts are the text. For showing only: nothing is decided by it.
 */
export function policyParts(text: string): PolicyPart[] {
  const parts: PolicyPart[] = [];
  let from = 0;
  let bare = '';
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') {
      const end = stringEnd(text, at);
      bare += text.slice(at, end);
      at = end - 1;
    } else if (letter === '/' && text[at + 1] === '/') {
      const end = text.indexOf('\n', at);
      at = (end < 0 ? text.length : end) - 1;
    } else {
      bare += letter;
      if (letter !== ';') continue;
      parts.push(partOf(text.slice(from, at + 1), bare));
      from = at + 1;
      bare = '';
    }
  }
  if (from < text.length) parts.push({ text: text.slice(from), id: undefined });
  return parts;
}

function stringEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function partOf(text: string, bare: string): PolicyPart {
  const quoted = idPattern.exec(bare)?.[1];
  if (quoted === undefined) return { text, id: undefined };
  try {
    return { text, id: JSON.parse(`"${quoted}"`) as string };
  } catch {
    return { text, id: quoted };
  }
}
