/** Parses PostgreSQL's text of a one-dimensional array (manual 8.15.6); throws where the server would. */
export function parseArray(literal: string): (string | null)[] {
  if (!/^\{[^]*\}$/.test(literal)) throw new Error(`no braces: ${literal}`);
  const elements: (string | null)[] = [];
  const element = /"((?:\\[^]|[^"\\])*)"|([^\s",{}\\](?:[^",{}\\]*[^\s",{}\\])?)/y;
  let at = 1;
  for (;;) {
    element.lastIndex = at;
    const match = element.exec(literal);
    if (match === null) throw new Error(`no element at ${at}: ${literal}`);
    const [text, quoted, plain = ''] = match;
    if (quoted !== undefined) elements.push(quoted.replaceAll(/\\([^])/g, '$1'));
    else elements.push(/^null$/i.test(plain) ? null : plain);
    at += text.length;
    if (literal[at] === '}' && at === literal.length - 1) return elements;
    if (literal[at] !== ',') throw new Error(`no comma at ${at}: ${literal}`);
    at++;
  }
}
