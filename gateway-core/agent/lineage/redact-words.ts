import { isSecretName, mask, maskPem, maskShapes } from './secret-shapes.js';
import { shellWords } from './shell-words.js';

/** Text in text in text: deeper than a person nests it. */
const depthMax = 4;

/**
 * The words of a command line one by one, with their secrets replaced. Every pattern here and below takes time in
 * proportion to the word, since whoever starts a process chooses its words.
 */
export function* redactWords(words: Iterable<string>, charactersMax: number): Generator<string, void> {
  const command = new Command(charactersMax, 0);
  for (const word of words) yield command.next(word, '');
}

/** What the words so far say about the next one. */
type Expected =
  | 'anything'
  | 'secret'
  /** After `Authorization:`: a scheme, or the secret itself. */
  | 'scheme'
  /** `user:password`. */
  | 'credentials'
  /** A program for a shell. */
  | 'script'
  /** After a bare `password`, as SQL has it: an operator or a value in quotes. */
  | 'value'
  /** After `BY`: `IDENTIFIED BY 'secret'`, but also `ORDER BY "name"`. */
  | 'text';

type Quote = '' | '"' | "'";

/** One command line, word by word. */
class Command {
  #expected: Expected = 'anything';
  readonly #programs = new Set<ProgramKind>();
  readonly #charactersMax: number;
  readonly #depth: number;

  constructor(charactersMax: number, depth: number) {
    this.#charactersMax = charactersMax;
    this.#depth = depth;
  }

  /**
   * `quote`: what the word began with in the text that it is from. `pieces`: only parts of it stood in quotes, so its
   * white space is within a value, as in `{"password":"a b"}`.
   */
  next(whole: string, quote: Quote, pieces = false): string {
    const word = pieces ? maskInside(whole, true) : whole;
    const expected = this.#expected;
    this.#expected = this.#after(word, expected, quote);
    const program = programOf(word);
    for (const [kind, names] of programKinds) if (names.test(program)) this.#programs.add(kind);
    switch (expected) {
      case 'secret':
        return mask;
      case 'scheme':
        return authorizationSchemes.test(word) ? word : mask;
      case 'credentials':
        return this.#credentials(word);
      case 'script':
        return this.#text(maskPem(word));
      case 'value':
        return quote === '' ? this.#word(word) : mask;
      case 'text':
        return quote === "'" ? mask : this.#word(word);
      case 'anything':
        return this.#word(word);
    }
  }

  #after(word: string, expected: Expected, quote: Quote): Expected {
    if (expected === 'scheme' && authorizationSchemes.test(word)) return 'secret';
    if (expected === 'value' && quote === '' && /^(?:[:=]?=|:|=>|<>|!=|i?like)$/i.test(word)) return 'secret';
    if (/^bearer$/i.test(word)) return 'secret';
    if (/^by$/i.test(word)) return 'text';
    const named = /(?<![\w.-])([\w.-]+)["']?\s*(?:=>|[=:])$/.exec(word)?.[1];
    if (named !== undefined && isSecretName(named))
      return /authorization$/i.test(named) ? 'scheme' : 'secret';
    if (/^-[\w.-]+$/.test(word)) return this.#afterFlag(word);
    if (!/^\(?[\w.-]+$/.test(word) || !isSecretName(word)) return 'anything';
    return this.#programs.has('mysqladmin') && word === 'password' ? 'secret' : 'value';
  }

  #afterFlag(flag: string): Expected {
    if (/^(?:-u|-U|--user|--proxy-user)$/.test(flag)) return 'credentials';
    if (/^-[a-z]*c$/.test(flag) && this.#programs.has('shell')) return 'script';
    const known = passwordFlags.find(
      (each) => each.flag === flag && each.alone && this.#programs.has(each.of),
    );
    if (known === undefined) return flag.length > 2 && isSecretName(flag) ? 'secret' : 'anything';
    // `sshpass -p secret ssh -p 22`: it is the first one's.
    this.#programs.delete(known.of);
    return 'secret';
  }

  #credentials(word: string): string {
    const at = word.search(/[:%]/);
    if (at === -1) return this.#word(word);
    // A user and a group, as docker and chown take them.
    if (/^\d+:\d+$/.test(word) && !this.#programs.has('web client')) return word;
    return `${word.slice(0, at + 1)}${mask}`;
  }

  #word(whole: string): string {
    const word = maskPem(whole);
    const flag = word.slice(0, 2);
    if (word.length > 2 && passwordFlags.some((each) => each.flag === flag && this.#programs.has(each.of)))
      return `${flag}${mask}`;
    // Before the word is cut into others: from its start on it is one value, whatever that is made of.
    const named = /^-{0,2}["']?([A-Za-z][\w.-]*)["']?\s*(?:=>|=|:(?!:))/.exec(word);
    if (named !== null && named[0].length < word.length && isSecretName(named[1] ?? '')) {
      // A key in base64 ends with = and may have a secret's name in it by chance: `x6Apwd3f...Q==` assigns nothing.
      if (maskShapes(named[0]) !== named[0]) return mask;
      return maskNamed(named[0], word.slice(named[0].length));
    }
    if (/^(?:bearer|basic)\s/i.test(word)) return `${word.split(/\s/, 1)[0]} ${mask}`;
    if (this.#programs.has('oracle') && /^[^/\s-][^/\s]*\/./.test(word))
      return `${word.slice(0, word.indexOf('/') + 1)}${mask}`;
    if (this.#programs.has('web client') && /^-[uU][^:]+:./.test(word))
      return `${word.slice(0, word.indexOf(':') + 1)}${mask}`;
    const safe = /^[\w.+=-]{0,100}:\/\//.test(word) ? maskUrl(word) : word;
    return /[\s"'\\]/.test(safe) ? this.#text(safe) : maskShapes(maskInside(maskUrl(safe)));
  }

  /** SQL, a script, JSON: words of its own. */
  #text(text: string): string {
    if (this.#depth === depthMax) return mask;
    const inner = new Command(this.#charactersMax, this.#depth + 1);
    let result = '';
    for (const { before, raw, plain } of shellWords(text)) {
      const pieces = plain.length !== raw.length && !/^\$?(["'])[^"']*\1$/.test(raw);
      const redacted = inner.next(plain, quoteOf(raw), pieces);
      result += before + (redacted === plain ? raw : requoted(raw, redacted));
      // Where a shell ends '...\\', a connection string goes on: nobody knows where the secret ends.
      if (redacted.includes(mask) && raw.includes("\\'")) return `${result} ${mask}`;
      if (result.length > this.#charactersMax) break;
    }
    return result;
  }
}

/** The first quote of a word that begins with one, perhaps behind `E`, `N` or a parenthesis. */
function quoteOf(raw: string): Quote {
  const found = /^[A-Za-z&$(,]{0,3}(["'])/.exec(raw)?.[1];
  return found === '"' || found === "'" ? found : '';
}

const authorizationSchemes = /^(?:bearer|basic|digest|token|negotiate|ntlm|apikey|aws4-hmac-sha256)$/i;

const programKinds = new Map(
  Object.entries({
    mysql: /^(?:mysql\w*|mariadb[\w-]*|mycli)$/,
    mysqladmin: /^(?:mysql|mariadb-)admin$/,
    // Anything with a `login` of its own takes -p for it: docker, podman, helm.
    'asks -p': /^(?:sshpass|cqlsh|login|mongo(?:sh|dump|restore|export|import)?)$/,
    'asks -P': /^(?:sqlcmd|bcp|osql|isql|tsql|unzip|zip)$/,
    redis: /^(?:redis|valkey)-cli$/,
    ldap: /^ldap\w+$/,
    seven: /^7z[ar]?$/,
    freerdp: /^[xw]l?freerdp\d?$/,
    oracle: /^(?:sqlplus|sqlldr|impdp|expdp)$/,
    'web client': /^(?:curl|https?|xh|hurl|wget)$/,
    shell: /^(?:(?:ba|z|da|k|fi)?sh|su)$/,
  } as const),
);
type ProgramKind = string;

/** Short flags with a password attached; `alone`: else it is the next word. */
const passwordFlags: readonly { flag: string; of: ProgramKind; alone: boolean }[] = [
  { flag: '-p', of: 'mysql', alone: false },
  { flag: '-p', of: 'seven', alone: false },
  { flag: '/p', of: 'freerdp', alone: false },
  { flag: '-p', of: 'asks -p', alone: true },
  { flag: '-P', of: 'asks -P', alone: true },
  { flag: '-a', of: 'redis', alone: true },
  { flag: '-w', of: 'ldap', alone: true },
];

/** The last part of a path, also behind what joins two commands. */
function programOf(word: string): string {
  return /([\w.-]+)[)`;]*$/.exec(word.slice(-64))?.[1]?.replace(/^-|\.exe$/g, '') ?? '';
}

function maskNamed(name: string, value: string): string {
  const space = /^\s/.test(value) ? ' ' : '';
  const scheme = /^\s*(\w[\w-]*)\s/.exec(value)?.[1];
  const shown = scheme !== undefined && authorizationSchemes.test(scheme) && /authorization\W*$/i.test(name);
  return shown ? `${name}${space}${scheme} ${mask}` : `${name}${space}${mask}`;
}

/**
 * `scheme://user:password@host`, up to the last @: passwords are not always encoded. A user alone is a token where it
 * stands before a web page.
 */
function maskUrl(word: string): string {
  const last = word.lastIndexOf('@');
  for (let at = word.indexOf('://'); at !== -1 && at + 3 < last; at = word.indexOf('://', at + 3)) {
    const start = at + 3;
    let stop = start;
    while (!':/?#@'.includes(word.charAt(stop))) stop++;
    const isWeb = /(?:https?|wss?)$/i.test(word.slice(Math.max(0, at - 5), at));
    const isPort = isWeb && /^\d{1,5}[/?#]/.test(word.slice(stop + 1, stop + 7));
    if (word.charAt(stop) === ':' && !isPort) return `${word.slice(0, stop + 1)}${mask}${word.slice(last)}`;
    if (word.charAt(stop) === '@' && isWeb) return `${word.slice(0, start)}${mask}${word.slice(last)}`;
  }
  return word;
}

/**
 * Names and their values inside of a word: a query, a connection string, an object. `name::type` is SQL's cast, unless
 * quotes were taken out of the word: then the value may begin with a colon.
 */
function maskInside(word: string, pieces = false): string {
  const names = pieces ? /(?<![\w.-])([\w.-]+)(?:=>|=|:)/g : /(?<![\w.-])([\w.-]+)(?:=>|=|:(?!:|\/\/))/g;
  const query = word.search(/[?#]/);
  let result = '';
  let from = 0;
  for (let found = names.exec(word); found !== null; found = names.exec(word)) {
    const name = found[1] ?? '';
    if (names.lastIndex === word.length) break;
    const inQuery = query !== -1 && query < found.index;
    if (!isSecretName(name) && !(inQuery && /^(?:key|code)$/i.test(name))) continue;
    result += `${word.slice(from, names.lastIndex)}${mask}`;
    // Only in a query is it known where a value ends.
    const rest = inQuery ? word.slice(names.lastIndex).search(/[&#]/) : -1;
    if (rest === -1) return result;
    from = names.lastIndex + rest;
    names.lastIndex = from;
  }
  return result + word.slice(from);
}

/** In the quotes that it had, if it had them as a whole. */
function requoted(raw: string, redacted: string): string {
  const quote = raw.charAt(0);
  const whole = (quote === '"' || quote === "'") && raw.length > 1 && raw.endsWith(quote);
  return whole && !redacted.includes(quote) ? `${quote}${redacted}${quote}` : redacted;
}
