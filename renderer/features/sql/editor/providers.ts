import { type editor, type IMarkdownString, languages, type Position } from 'monaco-editor/editor';
import { visibleText } from '../../../ui/visible-text.js';
import { catalogOf } from '../catalogs.js';
import { type Completion, complete } from '../text/complete.js';
import { callAt, type Description, describe } from '../text/describe.js';
import type { Item } from '../text/items.js';
import { codeBlock, plain } from '../text/markdown.js';
import { followedCharactersMax } from './document.js';
import { hostOf, withColumns } from './hosts.js';
import { languageId } from './language.js';

const columnsShownMax = 40;

/** What the editor asks while somebody types: completion, what a name means, the arguments of a function. */
export function registerProviders(): void {
  languages.registerCompletionItemProvider(languageId, {
    triggerCharacters: ['.', ' '],
    provideCompletionItems: async (model, position, context) => {
      const host = hostOf(model);
      if (host === undefined) return undefined;
      const { text, offset, base } = around(model, position);
      const found = await withColumns(host.connection(), (catalog) => {
        const answer = complete(text, offset, catalog);
        return { answer, missing: answer.missing };
      });
      // A space asks only where a name has to come.
      if (context.triggerCharacter === ' ' && !namePlaces.has(found.place)) return undefined;
      return toList(model, position, found, base);
    },
  });
  languages.registerHoverProvider(languageId, {
    provideHover: async (model, position) => {
      const host = hostOf(model);
      if (host === undefined) return undefined;
      const { text, offset, base } = around(model, position);
      const found = await withColumns(host.connection(), (catalog) => {
        if (catalog === undefined) return { answer: undefined, missing: [] };
        const { description, missing } = describe(text, offset, catalog);
        return { answer: description, missing };
      });
      if (found === undefined) return undefined;
      return {
        contents: contentsOf(found),
        range: host.document.range(base + found.start, base + found.end),
      };
    },
  });
  languages.registerSignatureHelpProvider(languageId, {
    signatureHelpTriggerCharacters: ['(', ','],
    provideSignatureHelp: (model, position) => {
      const { text, offset } = around(model, position);
      const own = catalogOf(hostOf(model)?.connection() ?? '')?.schema.functions ?? [];
      const call = callAt(text, offset, own);
      return call === undefined ? undefined : { value: signatures(call), dispose: () => undefined };
    },
  });
}

const namePlaces = new Set(['source', 'on', 'using', 'set', 'columns']);

/** The text to look at: all of it, or of a long one what stands around the cursor. */
function around(model: editor.ITextModel, position: Position) {
  const offset = model.getOffsetAt(position);
  if (model.getValueLength() <= followedCharactersMax) return { text: model.getValue(), offset, base: 0 };
  const reach = 20_000;
  const start = model.getOffsetAt({
    lineNumber: model.getPositionAt(Math.max(0, offset - reach)).lineNumber,
    column: 1,
  });
  const [from, to] = [model.getPositionAt(start), model.getPositionAt(offset + reach)];
  const text = model.getValueInRange({
    startLineNumber: from.lineNumber,
    startColumn: from.column,
    endLineNumber: to.lineNumber,
    endColumn: to.column,
  });
  return { text, offset: offset - start, base: start };
}

const kinds: Readonly<Record<Item['kind'], languages.CompletionItemKind>> = {
  table: languages.CompletionItemKind.Struct,
  view: languages.CompletionItemKind.Interface,
  column: languages.CompletionItemKind.Field,
  function: languages.CompletionItemKind.Function,
  keyword: languages.CompletionItemKind.Keyword,
  schema: languages.CompletionItemKind.Module,
  alias: languages.CompletionItemKind.Variable,
  type: languages.CompletionItemKind.TypeParameter,
  join: languages.CompletionItemKind.Reference,
  snippet: languages.CompletionItemKind.Snippet,
};

function toList(
  model: editor.ITextModel,
  { lineNumber, column }: Position,
  { from, items, cut }: Completion,
  base: number,
): languages.CompletionList {
  const start = model.getPositionAt(base + from);
  const range = {
    startLineNumber: lineNumber,
    endLineNumber: lineNumber,
    startColumn: start.column,
    endColumn: column,
  };
  return {
    incomplete: cut,
    suggestions:
      start.lineNumber === lineNumber ? items.map((item, order) => toItem(item, order, range)) : [],
  };
}

function toItem(
  item: Item,
  order: number,
  range: languages.CompletionItem['range'],
): languages.CompletionItem {
  const label = visibleText(item.label);
  const detail = item.detail === undefined ? {} : { description: visibleText(item.detail) };
  return {
    label: { label, ...(item.mask === undefined ? {} : { detail: '  ▨ masked' }), ...detail },
    kind: kinds[item.kind],
    insertText: item.insert,
    insertTextRules:
      item.snippet === true
        ? languages.CompletionItemInsertTextRule.InsertAsSnippet
        : languages.CompletionItemInsertTextRule.None,
    filterText: item.insert.startsWith('"') ? item.insert : item.label,
    sortText: String(order).padStart(5, '0'),
    range,
    ...(item.mask === undefined
      ? {}
      : { documentation: markdown(`Masked by the rule **${plain(item.mask)}**`) }),
    ...(item.kind === 'function' && item.insert.endsWith('($0)') ? { command: askForArguments } : {}),
  };
}

const askForArguments = { id: 'editor.action.triggerParameterHints', title: 'Arguments' };

/** Markdown of ours around names of others. Nothing in it is trusted. */
function markdown(value: string): IMarkdownString {
  return { value, isTrusted: false, supportHtml: false };
}

function contentsOf(found: Description): IMarkdownString[] {
  switch (found.kind) {
    case 'column': {
      const { name, type, notNull, references, mask, from } = found.column;
      const owner = from === '' ? '' : `${from}.`;
      const lines = [codeBlock(`${owner}${name} ${type}${notNull ? ' not null' : ''}`.trim())];
      if (references !== undefined) lines.push(`references ${plain(references)}`);
      if (mask !== undefined) lines.push(`▨ masked by the rule **${plain(mask)}**`);
      return lines.map(markdown);
    }
    case 'table': {
      const { object, columns } = found;
      const rows = object.rows === undefined ? '' : `, about ${object.rows.toLocaleString()} rows`;
      const head = markdown(`${plain(object.kind)} **${plain(object.schema)}.${plain(object.name)}**${rows}`);
      if (columns === undefined) return [head];
      const shown = columns
        .slice(0, columnsShownMax)
        .map(({ name, type, mask }) => `${name} ${type}${mask === undefined ? '' : `  -- ▨ ${mask}`}`);
      if (columns.length > shown.length) shown.push(`-- and ${columns.length - shown.length} more`);
      return [head, markdown(codeBlock(shown.join('\n')))];
    }
    case 'function':
      return found.functions
        .slice(0, 10)
        .map((each) => markdown(codeBlock(`${each.name}(${each.arguments}) ${each.returns}`)));
    case 'masked': {
      const columns = found.columns.map(({ name, mask }) => `- ${plain(name)}: **${plain(mask)}**`);
      return [markdown(['▨ masked columns in it:', ...columns.slice(0, columnsShownMax)].join('\n'))];
    }
  }
}

function signatures({
  functions,
  argument,
}: NonNullable<ReturnType<typeof callAt>>): languages.SignatureHelp {
  const all = functions.map((each) => {
    const parts = each.arguments === '' ? [] : each.arguments.split(/,\s*/);
    return {
      label: visibleText(`${each.name}(${parts.join(', ')}) ${each.returns}`),
      parameters: parts.map((part) => ({ label: visibleText(part) })),
    };
  });
  const fitting = all.findIndex(({ parameters }) => parameters.length > argument);
  return { signatures: all, activeSignature: Math.max(0, fitting), activeParameter: argument };
}
