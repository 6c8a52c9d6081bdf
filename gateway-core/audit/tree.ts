import { hash } from 'node:crypto';

/**
 * The Merkle tree of RFC 6962 section 2.1 over SHA-256: hashes, the frontier that a writer keeps, proofs and their
 * verification. Pure. Sizes and indices go up to 2^53-1, so only arithmetic operators are used: JavaScript's bit
 * operators cut at 2^31.
 */

export const hashBytes = 32;
const leafPrefix = 0x00;
const nodePrefix = 0x01;

/**
 * The hash of the complete subtree of `2^level` leaves that starts at leaf `index * 2^level`.
 * Level 0 is a leaf hash. A reader throws when it does not hold that subtree.
 */
export type HashReader = (level: number, index: number) => Uint8Array;

const leafScratch = Buffer.alloc(1 + 65_535, leafPrefix);
const nodeScratch = Buffer.alloc(1 + 2 * hashBytes, nodePrefix);

/** By way of a string: a buffer straight from the hash has memory of its own, which costs more than the hash. */
function sha256(data: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', data, 'binary'), 'latin1');
}

/** `SHA-256(0x00 || data)`. */
export function leafHash(data: Uint8Array): Uint8Array {
  if (data.length >= leafScratch.length) {
    return sha256(Buffer.concat([Buffer.of(leafPrefix), data]));
  }
  leafScratch.set(data, 1);
  return sha256(leafScratch.subarray(0, 1 + data.length));
}

/** `SHA-256(0x01 || left || right)`; both are 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeScratch.set(left, 1);
  nodeScratch.set(right, 1 + hashBytes);
  return sha256(nodeScratch);
}

/** The root of the tree without leaves: `SHA-256("")`. */
export function emptyRoot(): Uint8Array {
  return sha256(Buffer.alloc(0));
}

export function sameHash(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/**
 * The complete subtrees at the right edge of a growing tree, largest first: what is needed to append, and to know
 * the root, whatever the size.
 */
export class Frontier {
  readonly #subtrees: { readonly level: number; readonly hash: Uint8Array }[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  clone(): Frontier {
    const copy = new Frontier();
    copy.#subtrees.push(...this.#subtrees);
    copy.#size = this.#size;
    return copy;
  }

  /**
   * Appends a complete subtree of `2^level` leaves (level 0: one leaf hash) and tells, lowest level first, of every
   * larger subtree that this completed. `level` is at most that of the smallest subtree held so far.
   */
  push(level: number, subtree: Uint8Array, completed?: (level: number, hash: Uint8Array) => void): void {
    let top = this.#subtrees.at(-1);
    if (top !== undefined && top.level < level) {
      throw new RangeError('a larger subtree cannot follow a smaller one');
    }
    let current = { level, hash: subtree };
    while (top !== undefined && top.level === current.level) {
      this.#subtrees.pop();
      current = { level: current.level + 1, hash: nodeHash(top.hash, current.hash) };
      completed?.(current.level, current.hash);
      top = this.#subtrees.at(-1);
    }
    this.#subtrees.push(current);
    this.#size += 2 ** level;
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (let i = this.#subtrees.length - 1; i >= 0; i--) {
      const subtree = this.#subtrees[i];
      if (subtree === undefined) break;
      root = root === undefined ? subtree.hash : nodeHash(subtree.hash, root);
    }
    return root ?? emptyRoot();
  }
}

/** The root of `hashes.length` leaf hashes or, which is the same computation, of equally large subtrees. */
export function rootOf(hashes: Iterable<Uint8Array>): Uint8Array {
  const frontier = new Frontier();
  for (const one of hashes) frontier.push(0, one);
  return frontier.root();
}

/** RFC 6962 2.1: the largest power of two smaller than `size`, which is at least 2. */
function splitPoint(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** MTH(D[start:end]) by complete subtrees. `start` is a multiple of a power of two that is at least `end - start`. */
function rangeRoot(read: HashReader, start: number, end: number): Uint8Array {
  const size = end - start;
  const level = Math.round(Math.log2(size));
  if (2 ** level === size) return read(level, start / size);
  const split = start + splitPoint(size);
  return nodeHash(rangeRoot(read, start, split), rangeRoot(read, split, end));
}

/** The root of the first `size` leaves. */
export function rootAt(read: HashReader, size: number): Uint8Array {
  return size === 0 ? emptyRoot() : rangeRoot(read, 0, size);
}

function checkNumbers(...numbers: readonly number[]): void {
  for (const n of numbers) {
    if (!Number.isSafeInteger(n) || n < 0) throw new RangeError('tree sizes and indices are whole numbers');
  }
}

/** PATH(index, D[0:size]), RFC 6962 2.1.1: from the leaf's sibling up. Throws RangeError unless `index < size`. */
export function inclusionProof(read: HashReader, index: number, size: number): Uint8Array[] {
  checkNumbers(index, size);
  if (index >= size) throw new RangeError('the leaf is not in the tree');
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const split = start + splitPoint(end - start);
    if (index < split) {
      proof.push(rangeRoot(read, split, end));
      end = split;
    } else {
      proof.push(rangeRoot(read, start, split));
      start = split;
    }
  }
  return proof.reverse();
}

/**
 * PROOF(first, D[0:second]), RFC 6962 2.1.2. Empty when the sizes are equal or `first` is 0.
 * Throws RangeError unless `first <= second`.
 */
export function consistencyProof(read: HashReader, first: number, second: number): Uint8Array[] {
  checkNumbers(first, second);
  if (first > second) throw new RangeError('the first tree is larger than the second');
  if (first === 0) return [];
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = second;
  // SUBPROOF: `first` lies in (start, end]; `start === 0` is the RFC's flag b, "the old root is known".
  while (first !== end) {
    const split = start + splitPoint(end - start);
    if (first <= split) {
      proof.push(rangeRoot(read, split, end));
      end = split;
    } else {
      proof.push(rangeRoot(read, start, split));
      start = split;
    }
  }
  if (start !== 0) proof.push(rangeRoot(read, start, end));
  return proof.reverse();
}

const half = (n: number): number => Math.floor(n / 2);
const odd = (n: number): boolean => n % 2 === 1;

function wellFormed(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((one) => one.length === hashBytes);
}

/** RFC 9162 2.1.3.2. False for every malformed input. */
export function verifyInclusion(input: {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}): boolean {
  const { index, size, proof, root } = input;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if (!wellFormed([input.leafHash, root, ...proof])) return false;
  let fn = index;
  let sn = size - 1;
  let current = input.leafHash;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      current = nodeHash(sibling, current);
      while (!odd(fn) && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      current = nodeHash(current, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(current, root);
}

/** RFC 9162 2.1.4.2. False for every malformed input. The empty tree is consistent with every tree. */
export function verifyConsistency(input: {
  readonly first: number;
  readonly second: number;
  readonly firstRoot: Uint8Array;
  readonly secondRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}): boolean {
  const { first, second, firstRoot, secondRoot, proof } = input;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first < 0 || first > second)
    return false;
  if (!wellFormed([firstRoot, secondRoot, ...proof])) return false;
  if (first === second) return proof.length === 0 && sameHash(firstRoot, secondRoot);
  if (first === 0) return proof.length === 0 && sameHash(firstRoot, emptyRoot());
  let fn = first - 1;
  let sn = second - 1;
  while (odd(fn)) {
    fn = half(fn);
    sn = half(sn);
  }
  // fn is 0 exactly when `first` is a power of two: then the old root itself starts the path.
  const path = fn === 0 ? [firstRoot, ...proof] : proof;
  const [seed, ...rest] = path;
  if (seed === undefined || proof.length === 0) return false;
  let fr = seed;
  let sr = seed;
  for (const node of rest) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      fr = nodeHash(node, fr);
      sr = nodeHash(node, sr);
      while (!odd(fn) && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = nodeHash(sr, node);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(fr, firstRoot) && sameHash(sr, secondRoot);
}
