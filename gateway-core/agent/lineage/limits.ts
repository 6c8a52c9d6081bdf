/** Bounds of what is read about other processes: their contents are theirs to choose. */
export const lineageLimits = {
  /** Ancestors with the process itself. A longer chain is attributed to nobody: its upper end would be a guess. */
  processesMax: 64,
  /** Words of a command line that are kept, and their bytes in all once secrets are replaced. */
  argumentsMax: 64,
  argumentsBytesMax: 4096,
  /** Bytes of a command line, of an environment and of any other file that are read. */
  commandLineBytesMax: 64 * 1024,
  environmentBytesMax: 256 * 1024,
  fileBytesMax: 16 * 1024,
  childrenBytesMax: 64 * 1024,
  /** Characters of a program's path and of a control group that are kept. */
  pathCharactersMax: 1024,
  /** Processes that are asked before the search for a socket's holder begins. */
  hintsMax: 64,
  /** Of those, holders of the last connections. */
  recentMax: 16,
  /** Pids that are tried before all processes are listed. */
  youngestMax: 64,
  /** Siblings of a holder that are asked whether they hold the same socket. */
  siblingsMax: 32,
  /** A search lets other work run after so long. */
  sliceMs: 2,
  /** How often a look-up that met a change is made anew. */
  attemptsMax: 3,
  retryDelayMs: 5,
  /** Trees and single processes are looked at this often. */
  pollMs: 250,
  /** Processes of one watched tree. */
  treeProcessesMax: 4096,
  /** What is to end has so long between SIGTERM and SIGKILL, and so long to be gone then; how often it is looked for. */
  endGraceMs: 5000,
  killWaitMs: 2000,
  endPollMs: 50,
} as const;
