/** Bounds of this room; what other rooms have to know stands in contract/limits.ts. */
export const statementLimits = {
  /** Levels as the lexer estimates them. The parser's stack overflows at about 2000, the check keeps well below. */
  depthMax: 800,
  /**
   * Tree nodes as the lexer estimates them: more than the longest text has tokens, so only texts whose tree is
   * larger than they are come near. A node takes the parser some hundred bytes.
   */
  weightMax: 1_200_000,
  /** Statements in one text. */
  statementsMax: 10_000,
  /** Longer texts get no shape: they hardly repeat. In UTF-16 code units. */
  shapeLengthMax: 8192,
  /**
   * Tree nodes and column look-ups of one lineage analysis; above it everything counts as masked. The longest text
   * has half a million constants, so only queries that multiply (stars, recursion) come near.
   */
  lineageStepsMax: 1_000_000,
  /** Rounds until the columns of a recursive query are stable; above it they count as unknown. */
  recursionRoundsMax: 16,
  /** A parser instance whose memory has grown beyond this is replaced after the statement. */
  parserBytesMax: 512 * 1024 * 1024,
} as const;
