/** Bounds of this codec alone. What is beyond any of them is `too-long`, never passed over in silence. */
export const shellLimits = {
  /** One command line, in bytes. Linux takes 128 KiB in one argument; what a person or a tool types is far below this. */
  lineBytesMax: 64 * 1024,
  /** Texts inside texts: `sh -c "sh -c '...'"`. */
  textDepthMax: 8,
  /** Scripts inside scripts: `$(echo $(echo $(...)))`. Each is read again inside of the one around it. */
  nestingMax: 32,
  /** Here-documents of one text, and other things that are written `<<`: the parser's time grows with their square. */
  hereDocumentsMax: 256,
  /** Programs before programs: `nohup nice env ls`. */
  launchersMax: 16,
  /** Nodes of all parse trees of one line. */
  nodesMax: 20_000,
  /** Characters of all texts and nested scripts of one line, each as often as it is read. */
  charactersMax: 256 * 1024,
  /** Names, paths and files that are given out, each list by itself. */
  namesMax: 256,
  /** One of them, in characters: the kernel's PATH_MAX. */
  nameCharactersMax: 4096,
  /** Characters of a `sed` script that are judged. */
  sedCharactersMax: 1024,
} as const;
