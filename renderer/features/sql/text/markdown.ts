import { visibleText } from '../../../ui/visible-text.js';

/** Names and types come from databases: in a hover they are text, never a link, an image or markup. */
export function plain(text: string): string {
  return visibleText(text).replaceAll(/[\\`*_{}[\]()#+\-.!|<>&~:/@]/g, '\\$&');
}

/** A block of code whose fence is longer than any run of backticks in it. */
export function codeBlock(text: string): string {
  const shown = text
    .split('\n')
    .map((line) => visibleText(line))
    .join('\n');
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}throughline-sql\n${shown}\n${fence}`;
}
