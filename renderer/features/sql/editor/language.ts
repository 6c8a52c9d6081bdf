import { languages } from 'monaco-editor/editor';
import { type Inside, lex } from '../text/lexer.js';
import { keywords, typeNames } from '../text/words.js';

export const languageId = 'throughline-sql';

const keywordSet = new Set(keywords);
const typeSet = new Set(typeNames.flatMap((name) => name.split(' ')));

class State implements languages.IState {
  readonly inside: Inside | undefined;
  constructor(inside: Inside | undefined) {
    this.inside = inside;
  }
  clone(): State {
    return this;
  }
  equals(other: languages.IState): boolean {
    return other instanceof State && JSON.stringify(other.inside) === JSON.stringify(this.inside);
  }
}

/** Highlighting by the same lexer that splits statements: what looks like a string is one. */
const tokens: languages.TokensProvider = {
  getInitialState: () => new State(undefined),
  tokenize: (line, state) => {
    const before = state instanceof State ? state.inside : undefined;
    const lexed = lex(line, before);
    return {
      tokens: lexed.tokens.map(({ kind, start, end }) => ({
        startIndex: start,
        scopes: kind === 'word' ? wordScope(line, start, end) : kind,
      })),
      endState: new State(lexed.inside),
    };
  },
};

function wordScope(line: string, start: number, end: number): string {
  if (line[start - 1] === '.') return 'word';
  const word = line.slice(start, end).toLowerCase();
  if (line.slice(0, start).trimEnd().endsWith('::')) return 'type';
  if (/^\s*\(/.test(line.slice(end, end + 4)) && !beforeBracket.has(word)) return 'function';
  if (typeSet.has(word) && !alsoNames.has(word)) return 'type';
  return keywordSet.has(word) ? 'keyword' : 'word';
}
/** Types whose names columns have as well. */
const alsoNames = new Set('name date time text bit char oid money interval'.split(' '));
/** Keywords that a bracket may follow without making them functions. */
const beforeBracket = new Set(
  'in values and or not on using as over select where from exists any all some with when then else by set into'.split(
    ' ',
  ),
);

export function registerLanguage(): void {
  languages.register({ id: languageId, aliases: ['SQL'] });
  languages.setTokensProvider(languageId, tokens);
  languages.setLanguageConfiguration(languageId, {
    comments: { lineComment: '--', blockComment: ['/*', '*/'] },
    brackets: [
      ['(', ')'],
      ['[', ']'],
    ],
    autoClosingPairs: [
      { open: '(', close: ')', notIn: ['string', 'comment'] },
      { open: '[', close: ']', notIn: ['string', 'comment'] },
      { open: "'", close: "'", notIn: ['string', 'comment'] },
      { open: '"', close: '"', notIn: ['string', 'comment'] },
    ],
    surroundingPairs: [
      { open: '(', close: ')' },
      { open: '[', close: ']' },
      { open: "'", close: "'" },
      { open: '"', close: '"' },
    ],
    wordPattern: /[\p{L}_][\p{L}\p{N}_$]*|\d+(?:\.\d+)?/gu,
    indentationRules: { increaseIndentPattern: /\($/, decreaseIndentPattern: /^\s*\)/ },
  });
}
