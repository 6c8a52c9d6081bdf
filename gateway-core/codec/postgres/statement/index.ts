export type { LineageSession } from './analysis.js';
export { isBuiltin } from './builtins.js';
export { type ParsedStatement, type ParseResult, parseStatements } from './facts.js';
export { literalValue, maskedText } from './kept-text.js';
export type { Literal } from './lexer.js';
export { analyseLineage, compileMaskTargets, effectiveAction, type Lineage } from './lineage.js';
export { loadFirstParser, loadParser } from './parser.js';
export { fingerprintShape, reuseForShape } from './shape.js';
export type { MaskTargets } from './targets.js';
