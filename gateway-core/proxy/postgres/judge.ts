import { createHmac } from 'node:crypto';
import type { NoticeField, TransactionStatus } from '../../codec/postgres/backend.js';
import { writeQuery } from '../../codec/postgres/frontend.js';
import {
  analyseLineage,
  effectiveAction,
  fingerprintShape,
  type Lineage,
  type MaskTargets,
  maskedText,
  type ParsedStatement,
  type ParseResult,
  parseStatements,
  reuseForShape,
} from '../../codec/postgres/statement/index.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import type { Decision, Grounds } from '../../contract/decision.js';
import type { MaskRule } from '../../contract/masks.js';
import type { Catalog, StatementFacts } from '../../contract/sql.js';
import { type Decider, permitOf } from '../../policy/index.js';
import { saltedHash } from '../salted-hash.js';
import type { CatalogCache } from './catalog.js';
import { emptyResult, type Judged, type Judgement, type ResultCache } from './judged.js';
import { bounded, emptyFacts, keptText, returnsRows, rewrite } from './kept-text.js';
import { MaskSet } from './mask-set.js';
import { maskNotice } from './notices.js';
import { clean, lineageState, ResultMasks } from './result-masks.js';
import { SqlNames, stricter as strictest, unknownLineage } from './sql-names.js';
import { needsNoCatalog } from './without-catalog.js';

export interface JudgeInput {
  /** The same one for as long as verdicts hold: another one once policies or the person's groups have changed. */
  readonly decider: () => Decider;
  readonly policyVersion: () => string;
  readonly usesTime: () => boolean;
  /** Of the connection and of the decision to connect. */
  readonly masks: readonly MaskRule[];
  readonly catalog: CatalogCache;
  readonly hashKey: Uint8Array;
  readonly saltKey: Uint8Array;
  readonly sessionSalt: string;
  readonly now: () => number;
}

/** A text's statements as they were judged, without what hangs on its literals. */
interface Verdict {
  readonly parsed: readonly ParsedStatement[];
  readonly literals: StatementFacts['literals'];
  readonly lineages: readonly (Lineage | undefined)[];
  readonly decisions: readonly Extract<Decision, { kind: 'allow' }>[];
  readonly masks: readonly MaskSet[];
  readonly results: readonly ResultCache[];
}

const verdictsMax = 2000;
/** Names are looked up in every schema: what a session's search path leads to is among them. */
const session = { searchPath: undefined, temporary: new Map<string, 'clean' | 'unknown'>() };
const gatewayGrounds: Grounds = { policies: [], policyVersion: '' };

/** Makes the judge of one session. It belongs to one actor on one connection. */
export function createJudge(input: JudgeInput): Judge {
  return new Judge(input);
}

/**
 * Decides about texts, and keeps what is needed to mask what comes back. A verdict is valid for one *epoch*: policy,
 * catalog and session settings as they were. INVARIANT: what cannot be parsed, decided or traced is refused or masked.
 */
export class Judge {
  readonly results: ResultMasks;
  readonly #input: JudgeInput;
  readonly #names = new SqlNames();
  readonly #base: MaskSet;
  readonly #maskSets = new Map<string, MaskSet>();
  readonly #salt: Buffer;
  #verdicts = new Map<string, Verdict>();
  #decider: Decider | undefined;
  #seenCatalog = 0;
  #epoch = 0;

  constructor(input: JudgeInput) {
    this.#input = input;
    this.results = new ResultMasks(input.catalog);
    this.#base = this.#maskSet(input.masks);
    this.#salt = createHmac('sha256', input.saltKey).update(input.sessionSalt).digest();
  }

  /** Verdicts of another epoch are made again. */
  get epoch(): number {
    const decider = this.#input.decider();
    if (this.#decider !== decider || this.#seenCatalog !== this.#input.catalog.version) {
      this.#decider = decider;
      this.#seenCatalog = this.#input.catalog.version;
      this.#advance();
    }
    return this.#epoch;
  }

  #advance(): void {
    this.#epoch += 1;
    this.#verdicts = new Map();
  }

  judge(text: string): Judgement | 'needs-catalog' {
    const { catalog } = this.#input;
    if (!this.#needsCatalog || catalog.fresh !== undefined) return this.judgeNow(text);
    // A schema is loaded by thousands of definitions, each of which makes the catalog stale for the next.
    return catalog.latest !== undefined && needsNoCatalog(text)
      ? this.judgeNow(text, catalog.latest)
      : 'needs-catalog';
  }

  /** Reads the catalog; where that fails, judging goes on and refuses what it cannot trace. */
  async refresh(): Promise<void> {
    try {
      await this.#input.catalog.refresh();
    } catch {
      // The catalog stays stale: judgeNow sees it.
    }
  }

  get #needsCatalog(): boolean {
    if (this.#base.hasColumns) return true;
    for (const masks of this.#maskSets.values()) if (masks.hasColumns) return true;
    return false;
  }

  judgeNow(text: string, catalog: Catalog | undefined = this.#input.catalog.fresh): Judgement {
    void this.epoch;
    const shape = this.#input.usesTime() ? undefined : fingerprintShape(text);
    const known = shape === undefined ? undefined : this.#verdicts.get(shape.shape);
    if (shape !== undefined && known !== undefined) {
      const parsed = reuseForShape(known.parsed, known.literals, shape.literals);
      return this.#allow(text, known, parsed, []);
    }
    const result = parseStatements(text);
    if (!result.ok) return this.#refuseUnreadable(text, result);
    const verdict = this.#decide(text, result, catalog);
    if ('kind' in verdict) return verdict;
    const reusable = result.statements.every(
      (each) => !each.literalSensitive && each.sendInstead === undefined && each.facts.refersTo === undefined,
    );
    if (shape !== undefined && reusable && !this.results.uncertain) {
      if (this.#verdicts.size >= verdictsMax) this.#verdicts = new Map();
      this.#verdicts.set(shape.shape, { ...verdict, literals: shape.literals });
    }
    return this.#allow(text, verdict, verdict.parsed, result.comments);
  }

  #decide(
    text: string,
    result: Extract<ParseResult, { ok: true }>,
    catalog: Catalog | undefined,
  ): Verdict | Extract<Judgement, { kind: 'refused' }> {
    const lineages: (Lineage | undefined)[] = [];
    const decisions: Extract<Decision, { kind: 'allow' }>[] = [];
    const masks: MaskSet[] = [];
    for (const parsed of result.statements) {
      const { facts } = parsed;
      const refuse = (
        message: string,
        sqlState: string,
        hint: string | undefined,
        grounds: Grounds = gatewayGrounds,
      ) => this.#refused(text, result, parsed, { message, sqlState, hint, grounds });
      if (facts.forbidden !== undefined) {
        return refuse(
          facts.forbidden,
          '42501',
          'The gateway never allows this: it would change what later statements mean.',
        );
      }
      const referred = this.#referred(facts);
      if (referred === 'by-protocol') {
        return refuse(
          'this name was given by the protocol’s Parse or Bind: run it by Bind and Execute',
          '0A000',
          'What SQL runs must have been named by SQL, with PREPARE or DECLARE: its text is recorded then.',
        );
      }
      if (referred === 'unknown') {
        return refuse(
          'there is no prepared statement of this name',
          '26000',
          'PREPARE it in this session first.',
        );
      }
      const asWritten = referred === undefined ? facts : { ...facts, action: referred.action };
      const first = this.#ask(asWritten, []);
      if (first.kind !== 'allow') return this.#refusedBy(refuse, first);
      const set = this.#maskSet([...this.#input.masks, ...first.masks]);
      const targets = set.targets(catalog);
      if (targets === 'no-catalog') {
        return refuse(
          'the target’s catalog cannot be read, so its columns cannot be masked',
          '58000',
          'Tell an admin; try again.',
        );
      }
      const lineage = targets === undefined ? undefined : this.#trace(parsed, targets);
      // Only the catalog can tell that `row.name` calls a function of the target's own.
      const action =
        targets === undefined
          ? asWritten.action
          : strictest(asWritten.action, effectiveAction(parsed, targets));
      const unchanged = action === asWritten.action && (lineage === undefined || lineage.uses.length === 0);
      const decision = unchanged ? first : this.#ask({ ...asWritten, action }, lineage?.uses ?? []);
      if (decision.kind !== 'allow') return this.#refusedBy(refuse, decision);
      lineages.push(referred === undefined ? lineage : (referred.lineage ?? lineage));
      decisions.push(decision);
      masks.push(this.#maskSet([...this.#input.masks, ...first.masks, ...decision.masks]));
    }
    return {
      parsed: result.statements,
      literals: [],
      lineages,
      decisions,
      masks,
      results: masks.map(emptyResult),
    };
  }

  #ask(facts: StatementFacts, uses: Lineage['uses']): Decision {
    const decider = this.#decider ?? this.#input.decider();
    return decider.statement({ facts, maskedUses: uses }, this.#input.now());
  }

  #trace(parsed: ParsedStatement, targets: MaskTargets): Lineage {
    const lineage = analyseLineage(parsed, targets, session);
    return this.results.uncertain
      ? { ...lineage, outputs: unknownLineage.outputs, touchesMasked: true, literalsMayMatch: true }
      : lineage;
  }

  /** EXECUTE runs what PREPARE named: it is decided as that. Cursors only lend their lineage: their query runs already. */
  #referred(
    facts: StatementFacts,
  ):
    | { action: StatementFacts['action']; lineage: Lineage | undefined }
    | 'unknown'
    | 'by-protocol'
    | undefined {
    const { refersTo } = facts;
    if (refersTo === undefined || facts.command.startsWith('DEALLOCATE') || facts.command.startsWith('CLOSE'))
      return undefined;
    const named = this.#names.get(refersTo.kind, refersTo.name);
    if (named?.byProtocol === true) return 'by-protocol';
    if (refersTo.kind === 'cursor') {
      if (named === undefined && this.#names.cursorsLost) return 'by-protocol';
      return { action: facts.action, lineage: named?.lineage ?? unknownLineage };
    }
    return named === undefined ? 'unknown' : { action: named.action, lineage: named.lineage };
  }

  #allow(
    text: string,
    verdict: Verdict,
    parsedNow: readonly ParsedStatement[],
    comments: readonly { start: number; end: number }[],
  ): Judgement {
    const exactHash = saltedHash(this.#salt, text);
    const single = parsedNow.length === 1;
    const statements = parsedNow.map((parsed, index): Judged => {
      const decision = verdict.decisions[index] as Extract<Decision, { kind: 'allow' }>;
      const lineage = verdict.lineages[index];
      const masks = verdict.masks[index] as MaskSet;
      const all = parsed.alwaysMaskLiterals || lineage?.literalsMayMatch === true;
      return {
        facts: parsed.facts,
        permit: permitOf(decision),
        grounds: decision.grounds,
        keptText: keptText(text, parsed, single, comments, all, masks),
        exactHash,
        returnsRows: returnsRows(parsed.facts),
        keptParameter: (value) => (all ? '[masked]' : masks.text(value)),
        copyInMask: (column) => {
          const state =
            masks.hasColumns && lineage?.writesMasked !== false ? lineageState(lineage, column) : clean;
          return masks.column(state, 0, parsed.facts.copy?.format === 'binary' ? 1 : 0);
        },
        masks,
        lineage,
        result: verdict.results[index] ?? emptyResult(),
      };
    });
    const decision = verdict.decisions[0] ?? this.#emptyDecision();
    const rewritten = rewrite(text, parsedNow);
    let replacement: Uint8Array | undefined;
    if (rewritten !== undefined) {
      const writer = new MessageWriter();
      writeQuery(writer, rewritten);
      replacement = writer.take();
    }
    return {
      kind: 'allowed',
      statements,
      permit: permitOf(decision),
      replacement,
      replacementText: rewritten,
      empty: (empty) => this.#empty(empty, decision, exactHash),
    };
  }

  /** A text with nothing in it runs nothing; whoever may connect may send it. */
  #emptyDecision(): Extract<Decision, { kind: 'allow' }> {
    return {
      kind: 'allow',
      grounds: { policies: [], policyVersion: this.#input.policyVersion() },
      masks: [],
    };
  }

  #empty(text: string, decision: Extract<Decision, { kind: 'allow' }>, exactHash: string): Judged {
    return {
      facts: emptyFacts(text),
      permit: permitOf(decision),
      grounds: decision.grounds,
      // Comments can hold anything, and nothing says what: none of it is kept.
      keptText: text.trim() === '' ? '' : '(comments only)',
      exactHash,
      returnsRows: false,
      keptParameter: () => '[masked]',
      copyInMask: () => undefined,
      masks: this.#base,
      lineage: undefined,
      result: emptyResult(),
    };
  }

  #refuseUnreadable(text: string, result: Extract<ParseResult, { ok: false }>): Judgement {
    const kept =
      result.literals === undefined ? '(unreadable text)' : maskedText(text, result.literals, 'all');
    const states = {
      syntax: '42601',
      'too-long': '54000',
      'too-deep': '54001',
      'not-text': '22021',
      busy: '53300',
    } as const;
    return {
      kind: 'refused',
      sqlState: states[result.reason],
      hint:
        result.reason === 'syntax'
          ? undefined
          : 'The gateway judges every statement, so it must be able to read it.',
      statements: [
        {
          grounds: gatewayGrounds,
          action: 'sql:admin',
          command: 'UNREADABLE',
          keptText: bounded(result.literals === undefined ? kept : this.#base.text(kept)),
          exactHash: saltedHash(this.#salt, text),
          message: result.message,
          keptMessage: result.reason === 'syntax' ? 'a syntax error' : result.message,
          decisive: true,
          position: result.position === undefined ? undefined : result.position + 1,
        },
      ],
    };
  }

  /** A refusal that no text of the client's stands behind. */
  refusal(what: string, message: string, sqlState: string): Extract<Judgement, { kind: 'refused' }> {
    return {
      kind: 'refused',
      sqlState,
      hint: undefined,
      statements: [
        {
          grounds: gatewayGrounds,
          action: 'sql:admin',
          command: 'UNKNOWN',
          keptText: what,
          exactHash: saltedHash(this.#salt, what),
          message,
          keptMessage: message,
          decisive: true,
          position: undefined,
        },
      ],
    };
  }

  #refusedBy(
    refuse: (
      message: string,
      sqlState: string,
      hint: string | undefined,
      grounds: Grounds,
    ) => Extract<Judgement, { kind: 'refused' }>,
    decision: Exclude<Decision, { kind: 'allow' }>,
  ): Extract<Judgement, { kind: 'refused' }> {
    const hint =
      decision.kind === 'deny'
        ? `To change this: ${decision.action}.`
        : `A member of ${decision.approvers.join(' or ')} would have to approve it; approvals cannot be given yet.`;
    return refuse(decision.message, '42501', hint, decision.grounds);
  }

  #refused(
    text: string,
    result: Extract<ParseResult, { ok: true }>,
    why: ParsedStatement,
    refusal: { message: string; sqlState: string; hint: string | undefined; grounds: Grounds },
  ): Extract<Judgement, { kind: 'refused' }> {
    const single = result.statements.length === 1;
    const exactHash = saltedHash(this.#salt, text);
    return {
      kind: 'refused',
      sqlState: refusal.sqlState,
      hint: refusal.hint,
      statements: result.statements.map((parsed) => ({
        grounds: parsed === why ? refusal.grounds : gatewayGrounds,
        action: parsed.facts.action,
        command: parsed.facts.command,
        // What is refused may be refused for what its literals say: none of them is kept.
        keptText: keptText(text, parsed, single, result.comments, true, this.#base),
        exactHash,
        message: parsed === why ? refusal.message : 'another statement of the same text is refused',
        keptMessage:
          parsed === why ? this.#base.text(refusal.message) : 'another statement of the same text is refused',
        decisive: parsed === why,
        position: parsed === why && !single ? parsed.facts.span.start + 1 : undefined,
      })),
    };
  }

  #maskSet(rules: readonly MaskRule[]): MaskSet {
    const key = JSON.stringify(rules);
    let set = this.#maskSets.get(key);
    if (set === undefined) {
      set = new MaskSet(rules, this.#input.hashKey);
      this.#maskSets.set(key, set);
    }
    return set;
  }

  /** Called when a judged statement is on its way to the target. */
  started(judged: Judged): void {
    const { facts, lineage } = judged;
    const { defines } = facts;
    if (defines !== undefined)
      this.#names.define(defines.kind, defines.name, { action: facts.action, lineage, byProtocol: false });
    // What is sent behind it may meet what it changes: it cannot wait until the target says that it is done.
    if (facts.changesCatalog) this.results.uncertain = true;
    if (facts.changesCatalog || facts.changesSession) this.#advance();
  }

  /** Called when a Parse of this name is on its way: until the target confirms a Close, SQL may mean it. */
  parsed(name: string, judged: Judged): void {
    const { facts, lineage } = judged;
    this.#names.define('prepared', name, { action: facts.action, lineage, byProtocol: true });
  }

  /** The same for a Bind; undefined: of a statement that is not known here. */
  bound(portal: string, judged: Judged | undefined): void {
    const action = judged?.facts.action ?? 'sql:admin';
    this.#names.define('cursor', portal, { action, lineage: judged?.lineage, byProtocol: true });
  }

  /** Called when the target has closed a statement of the protocol. */
  closed(name: string): void {
    this.#names.forget('prepared', name);
  }

  /** Called when the target says that it is done. */
  ended(judged: Judged): void {
    const { facts } = judged;
    // Cursors stay known until nothing is under way: a Bind that is may have given the name anew, unseen by SQL.
    if (facts.command.startsWith('DEALLOCATE')) this.#names.forget('prepared', facts.refersTo?.name);
    if (facts.command.startsWith('DISCARD')) this.#names.forget('prepared', undefined);
    if (facts.changesCatalog) {
      this.#input.catalog.markStale();
      this.results.uncertain = true;
      this.#advance();
    }
    if (facts.changesSession) this.#advance();
  }

  /** ReadyForQuery with nothing under way: outside a transaction our own connection sees what this one sees. */
  ready(status: TransactionStatus, underWay: number): void {
    if (status !== 'I' || underWay > 0) return;
    this.#names.forget('cursor', undefined);
    if (this.results.uncertain) {
      this.results.uncertain = false;
      this.#input.catalog.markStale();
      this.#advance();
    }
  }

  maskNotice(judged: Judged | undefined, fields: readonly NoticeField[]): NoticeField[] {
    return maskNotice(this.#base, judged, fields);
  }

  maskText(text: string): string {
    return this.#base.text(text);
  }
}
