import { createHash } from 'node:crypto';
import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs';
import { addContextUses, noUses } from './context-uses.js';
import { foldMaskAnnotations, type Obligations, readObligations } from './obligations.js';
import { cedarSchema } from './schema.js';

/** Text longer than this is refused: policies are written by people. */
const policyTextBytesMax = 1024 * 1024;
const schemaName = 'throughline';

export interface PolicyProblem {
  readonly message: string;
  /** From 1, where Cedar names a place. */
  readonly line: number | undefined;
}

export interface CompiledPolicies {
  /** First 16 hex digits of SHA-256 of the text. */
  readonly version: string;
  readonly text: string;
  readonly ids: readonly string[];
  readonly obligations: ReadonlyMap<string, Obligations>;
  /** False: no policy looks at the clock, so a verdict does not go stale with time. */
  readonly usesTime: boolean;
  /** True: some policy may look at command lines of interactive shells. */
  readonly judgesLines: boolean;
  /** Asks Cedar. Any error of any policy makes the answer `error`: the caller denies. */
  readonly ask: (
    call: Omit<Cedar.StatefulAuthorizationCall, 'preparsedPolicySetId' | 'preparsedSchemaName'>,
  ) => { kind: 'allow' | 'deny'; reasons: readonly string[] } | { kind: 'error'; message: string };
}

export interface PolicyEngine {
  /** `accepted`: this very text was compiled before and put into force, so its types need no second check. */
  compile(
    text: string,
    accepted?: 'accepted',
  ): { ok: true; policies: CompiledPolicies } | { ok: false; problems: readonly PolicyProblem[] };
}

let engine: Promise<PolicyEngine> | undefined;

/** Loads Cedar (WebAssembly, some 60 ms of this thread) once, with our schema. Policies: https://docs.cedarpolicy.com */
export function loadPolicyEngine(): Promise<PolicyEngine> {
  engine ??= load();
  return engine;
}

async function load(): Promise<PolicyEngine> {
  const cedar = await import('@cedar-policy/cedar-wasm/nodejs');
  const schema = cedar.preparseSchema(schemaName, cedarSchema);
  if (schema.type === 'failure')
    throw new Error(`our Cedar schema does not parse: ${schema.errors[0]?.message}`);
  return { compile: (text, accepted) => compile(cedar, text, accepted === 'accepted') };
}

function compile(cedar: typeof Cedar, text: string, accepted: boolean): ReturnType<PolicyEngine['compile']> {
  if (Buffer.byteLength(text) > policyTextBytesMax) return refuse('the policy text is longer than 1 MiB');
  if (text === '') return { ok: true, policies: nothingPermitted };
  const folded = foldMaskAnnotations(text);
  const parts = cedar.policySetTextToParts(folded);
  if (parts.type === 'failure')
    return { ok: false, problems: parts.errors.map((each) => problemOf(each, folded)) };
  if (parts.policy_templates.length > 0) return refuse('templates are not supported: write each policy out');

  const policies: Record<string, string> = {};
  const obligations = new Map<string, Obligations>();
  const uses = noUses();
  for (const part of parts.policies) {
    const json = cedar.policyToJson(part);
    if (json.type === 'failure')
      return { ok: false, problems: json.errors.map((each) => problemOf(each, part)) };
    const annotations = json.json.annotations ?? {};
    const id = annotations['id'] ?? `policy-${sha256(part).slice(0, 8)}`;
    if (Object.hasOwn(policies, id)) return refuse(`two policies have the id "${id}"`);
    const read = readObligations(annotations);
    if ('problem' in read) return refuse(`policy "${id}": ${read.problem}`);
    policies[id] = part;
    obligations.set(id, read);
    addContextUses(uses, json.json.conditions);
  }

  const problems = accepted ? [] : typeProblems(cedar, policies, folded);
  if (problems.length > 0) return { ok: false, problems };

  const version = sha256(text).slice(0, 16);
  const parsed = cedar.preparsePolicySet(version, { staticPolicies: policies });
  if (parsed.type === 'failure')
    return { ok: false, problems: parsed.errors.map((each) => problemOf(each, folded)) };
  return {
    ok: true,
    policies: {
      version,
      text,
      ids: Object.keys(policies),
      obligations,
      judgesLines: uses.whole || uses.tested.has('command'),
      usesTime: uses.whole || uses.attributes.has('time'),
      ask: (call) => ask(cedar, version, call),
    },
  };
}

/** No policy permits anything: what is in force before the first put. */
const nothingPermitted: CompiledPolicies = {
  version: sha256('').slice(0, 16),
  text: '',
  ids: [],
  obligations: new Map(),
  usesTime: false,
  judgesLines: false,
  ask: () => ({ kind: 'deny', reasons: [] }),
};

/** What the schema has against the policies: actions, attributes and types that do not exist. */
function typeProblems(
  cedar: typeof Cedar,
  policies: Record<string, string>,
  folded: string,
): PolicyProblem[] {
  const checked = cedar.validate({ schema: cedarSchema, policies: { staticPolicies: policies } });
  if (checked.type === 'failure') return checked.errors.map((each) => problemOf(each, folded));
  return checked.validationErrors.map((each) => ({
    message: `policy "${each.policyId}": ${each.error.message}`,
    line: undefined,
  }));
}

function ask(
  cedar: typeof Cedar,
  version: string,
  call: Parameters<CompiledPolicies['ask']>[0],
): ReturnType<CompiledPolicies['ask']> {
  const answer = cedar.statefulIsAuthorized({
    ...call,
    preparsedPolicySetId: version,
    preparsedSchemaName: schemaName,
    validateRequest: true,
  });
  if (answer.type === 'failure') return { kind: 'error', message: answer.errors[0]?.message ?? 'unknown' };
  const failed = answer.response.diagnostics.errors[0];
  if (failed !== undefined)
    return { kind: 'error', message: `policy "${failed.policyId}": ${failed.error.message}` };
  return { kind: answer.response.decision, reasons: answer.response.diagnostics.reason };
}

function problemOf(error: Cedar.DetailedError, text: string): PolicyProblem {
  const start = error.sourceLocations?.[0]?.start;
  const help = error.help === null ? '' : ` (${error.help})`;
  const label = error.sourceLocations?.[0]?.label;
  return {
    message: `${error.message}${label === null || label === undefined ? '' : `: ${label}`}${help}`,
    line:
      start === undefined ? undefined : Buffer.from(text).subarray(0, start).toString().split('\n').length,
  };
}

function refuse(message: string): { ok: false; problems: readonly PolicyProblem[] } {
  return { ok: false, problems: [{ message, line: undefined }] };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
