import {
  type Checkpoint,
  decodeBase64,
  noteBytesMax,
  openCheckpoint,
  parseDecimal,
  type VerifierKey,
} from './note.js';
import { hashBytes, leafHash, verifyInclusion } from './tree.js';

/** https://c2sp.org/tlog-proof: an inclusion proof and its checkpoint in one text. Pure. */

const header = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves is 53 high; the format allows 63. */
const proofHashesMax = 63;
const proofBytesMax = noteBytesMax + 64 * 1024;

interface LogProof {
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly proof: readonly Uint8Array[];
  /** The signed note, verbatim. */
  readonly checkpoint: string;
}

export function formatProof({ index, proof, checkpoint }: LogProof): string {
  const hashes = proof.map((one) => `${Buffer.from(one).toString('base64')}\n`);
  return `${header}\nindex ${index}\n${hashes.join('')}\n${checkpoint}`;
}

/** Undefined for anything that is not exactly such a text. `extra` data is passed over: nothing vouches for it. */
export function parseProof(text: string): LogProof | undefined {
  const end = text.indexOf('\n\n');
  if (text.length > proofBytesMax || end < 0) return undefined;
  const lines = text.slice(0, end).split('\n');
  if (lines.shift() !== header) return undefined;
  if (lines[0]?.startsWith('extra ') === true) lines.shift();
  const indexLine = lines.shift();
  if (indexLine === undefined || !indexLine.startsWith('index ') || lines.length > proofHashesMax)
    return undefined;
  const index = parseDecimal(indexLine.slice('index '.length));
  if (index === undefined) return undefined;
  const proof: Uint8Array[] = [];
  for (const line of lines) {
    const one = decodeBase64(line);
    if (one?.length !== hashBytes) return undefined;
    proof.push(one);
  }
  return { index, proof, checkpoint: text.slice(end + 2) };
}

/**
 * Checks, offline, that `leaf` is in a log: the checkpoint is signed by `verifier` and the proof leads from the leaf
 * to its root. Undefined when any part does not hold.
 */
export function verifyProof(
  text: string,
  leaf: Uint8Array,
  verifier: VerifierKey,
): { readonly index: number; readonly checkpoint: Checkpoint } | undefined {
  const parsed = parseProof(text);
  const checkpoint = parsed && openCheckpoint(parsed.checkpoint, verifier);
  if (parsed === undefined || checkpoint === undefined) return undefined;
  const { index, proof } = parsed;
  const { size, root } = checkpoint;
  return verifyInclusion({ index, size, leafHash: leafHash(leaf), proof, root })
    ? { index, checkpoint }
    : undefined;
}
