import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  emptyRoot,
  Frontier,
  type HashReader,
  inclusionProof,
  leafHash,
  nodeHash,
  rootAt,
  verifyConsistency,
  verifyInclusion,
} from '../../../gateway-core/audit/tree.js';
import { ReferenceTree } from './support.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const sizeMax = 200;
const leaves = Array.from({ length: sizeMax }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));
const reference = new ReferenceTree(leaves);
const read: HashReader = (level, index) => reference.mth(index * 2 ** level, (index + 1) * 2 ** level);
const roots = [emptyRoot(), ...leaves.map((_, i) => reference.mth(0, i + 1))];
const root = (size: number): Uint8Array => roots[size] ?? emptyRoot();
const flipped = (bytes: Uint8Array): Uint8Array =>
  Buffer.from(bytes.map((one, i) => (i === 7 ? one ^ 1 : one)));

describe('hashes', () => {
  it('leaf and node are those of RFC 6962 2.1, with prefixes 0x00 and 0x01', () => {
    const sha = (...parts: Uint8Array[]): string =>
      createHash('sha256').update(Buffer.concat(parts)).digest('hex');
    for (const length of [0, 1, 500, 65_535, 65_536, 100_000]) {
      const data = Buffer.alloc(length, 3);
      expect(hex(leafHash(data))).toBe(sha(Buffer.of(0), data));
    }
    const [left, right] = [leafHash(Buffer.of(1)), leafHash(Buffer.of(2))];
    expect(hex(nodeHash(left, right))).toBe(sha(Buffer.of(1), left, right));
    expect(hex(emptyRoot())).toBe(sha());
  });

  it('the reference tree of Certificate Transparency has its published roots', () => {
    const inputs = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const published = [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const frontier = new Frontier();
    const found = inputs.map((input) => {
      frontier.push(0, leafHash(Buffer.from(input, 'hex')));
      return hex(frontier.root());
    });
    expect(found).toEqual(published);
  });
});

describe('every size up to 200', () => {
  it('the frontier and the reader have the root that the RFC defines', () => {
    const frontier = new Frontier();
    expect(hex(frontier.root())).toBe(hex(emptyRoot()));
    for (const [i, leaf] of leaves.entries()) {
      frontier.push(0, leaf);
      expect(hex(frontier.root())).toBe(hex(root(i + 1)));
      expect(hex(rootAt(read, i + 1))).toBe(hex(root(i + 1)));
    }
    expect(frontier.size).toBe(sizeMax);
  });

  it('every inclusion proof is PATH of the RFC and verifies for its own leaf, index and size only', () => {
    for (let size = 1; size <= sizeMax; size++) {
      for (const [index, leaf] of leaves.slice(0, size).entries()) {
        const proof = reference.path(index, 0, size);
        if (!isDeepStrictEqual(inclusionProof(read, index, size), proof))
          expect.fail(`PATH(${index}, ${size})`);
        const input = { index, size, leafHash: leaf, proof, root: root(size) };
        if (!verifyInclusion(input)) expect.fail(`leaf ${index} of ${size}`);
        const other = (index + 1) % size;
        if (size > 1 && verifyInclusion({ ...input, index: other }))
          expect.fail(`leaf ${index} as ${other} of ${size}`);
        if (verifyInclusion({ ...input, root: root(size - 1) }))
          expect.fail(`leaf ${index} of ${size} in ${size - 1}`);
      }
    }
  });

  it('every consistency proof is PROOF of the RFC and verifies for its two roots only', () => {
    for (let second = 1; second <= sizeMax; second++) {
      for (let first = 1; first <= second; first++) {
        const proof = reference.subproof(first, 0, second);
        if (!isDeepStrictEqual(consistencyProof(read, first, second), proof))
          expect.fail(`PROOF(${first}, ${second})`);
        const input = { first, second, firstRoot: root(first), secondRoot: root(second), proof };
        if (!verifyConsistency(input)) expect.fail(`${first} in ${second}`);
        if (verifyConsistency({ ...input, firstRoot: root(first - 1) }))
          expect.fail(`wrong first, ${first} ${second}`);
        if (verifyConsistency({ ...input, secondRoot: root(second - 1) }))
          expect.fail(`wrong second, ${first} ${second}`);
      }
    }
  });
});

describe('proofs against an attacker', () => {
  const sizes = fc.integer({ min: 2, max: sizeMax });

  it('a proof with one bit changed, a hash too many or one too few does not verify', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, indexSeed, placeSeed) => {
        const index = indexSeed % size;
        const proof = inclusionProof(read, index, size);
        const place = placeSeed % proof.length;
        const input = { index, size, leafHash: leaves[index] ?? emptyRoot(), root: root(size) };
        const changed = proof.map((one, i) => (i === place ? flipped(one) : one));
        expect(verifyInclusion({ ...input, proof: changed })).toBe(false);
        expect(verifyInclusion({ ...input, proof: proof.slice(0, -1) })).toBe(false);
        expect(verifyInclusion({ ...input, proof: [...proof, root(1)] })).toBe(false);
      }),
    );
  });

  it('a consistency proof with one bit changed, a hash too many or one too few does not verify', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (second, firstSeed, placeSeed) => {
        const first = 1 + (firstSeed % (second - 1));
        const proof = consistencyProof(read, first, second);
        const place = placeSeed % proof.length;
        const input = { first, second, firstRoot: root(first), secondRoot: root(second) };
        const changed = proof.map((one, i) => (i === place ? flipped(one) : one));
        expect(verifyConsistency({ ...input, proof: changed })).toBe(false);
        expect(verifyConsistency({ ...input, proof: proof.slice(0, -1) })).toBe(false);
        expect(verifyConsistency({ ...input, proof: [...proof, root(1)] })).toBe(false);
      }),
    );
  });

  it('malformed input is refused, not thrown on', () => {
    const leaf = leaves[0] ?? emptyRoot();
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0.5, 2],
      [Number.NaN, 2],
      [0, 2 ** 53],
    ] as const) {
      expect(verifyInclusion({ index, size, leafHash: leaf, proof: [], root: leaf })).toBe(false);
    }
    expect(verifyInclusion({ index: 0, size: 1, leafHash: Buffer.alloc(31), proof: [], root: leaf })).toBe(
      false,
    );
    const same = { firstRoot: leaf, secondRoot: leaf, proof: [] };
    expect(verifyConsistency({ first: 2, second: 1, ...same })).toBe(false);
    expect(verifyConsistency({ first: 1, second: 2, ...same })).toBe(false);
    expect(verifyConsistency({ first: 0, second: 2, ...same })).toBe(false);
    expect(verifyConsistency({ first: 0, second: 2, ...same, firstRoot: emptyRoot() })).toBe(true);
    expect(() => inclusionProof(read, 3, 3)).toThrow(RangeError);
    expect(() => consistencyProof(read, 4, 3)).toThrow(RangeError);
  });

  it('sizes above 2^31 and 2^32 are computed without loss', () => {
    // A tree whose every leaf is the same: a subtree's hash depends on its level only.
    const uniform: Uint8Array[] = [leafHash(Buffer.of(9))];
    for (let level = 1; level <= 52; level++) {
      const below = uniform[level - 1] ?? emptyRoot();
      uniform.push(nodeHash(below, below));
    }
    const readUniform: HashReader = (level) => uniform[level] ?? emptyRoot();
    for (const size of [2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32 + 12_345, 2 ** 40 + 3, 2 ** 52 + 2 ** 33 + 7]) {
      const sizeRoot = rootAt(readUniform, size);
      for (const index of [0, 2 ** 31 - 1, 2 ** 31, size - 2, size - 1]) {
        const proof = inclusionProof(readUniform, index, size);
        const leaf = uniform[0] ?? emptyRoot();
        expect(verifyInclusion({ index, size, leafHash: leaf, proof, root: sizeRoot })).toBe(true);
      }
      for (const first of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1]) {
        const firstRoot = rootAt(readUniform, first);
        const proof = consistencyProof(readUniform, first, size);
        expect(verifyConsistency({ first, second: size, firstRoot, secondRoot: sizeRoot, proof })).toBe(true);
      }
    }
  });
});
