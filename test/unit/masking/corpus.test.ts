import { describe, expect, it } from 'vitest';
import type { Detector } from '../../../gateway-core/contract/masks.js';
import { createValueMasker, redactSecrets } from '../../../gateway-core/masking/value-masker.js';
import { hits, misses } from './corpus.js';

const hashKey = Buffer.alloc(32, 7);
const all: Detector[] = ['email', 'card', 'iban', 'phone', 'key'];
const masker = createValueMasker({ rules: [{ detect: all, with: 'partial' }], hashKey });

describe('detectors', () => {
  for (const [detector, cases] of Object.entries(hits)) {
    it.each(cases)(`${detector} is masked: %s`, (text, masked) => {
      expect(masker.maskText(text).text).toBe(masked);
    });

    it.each(cases)(`${detector} masked once stays as it is: %s`, (_text, masked) => {
      expect(masker.maskText(masked)).toEqual({ text: masked, count: 0 });
    });
  }

  it.each(misses)('nothing is found in: %s', (text) => {
    expect(masker.maskText(text)).toEqual({ text, count: 0 });
    const bytes = Buffer.from(text);
    expect(masker.maskBytes(bytes, 0, bytes.length)).toBeUndefined();
  });

  it('each detector hits alone, whatever the others would say', () => {
    for (const detector of all) {
      const alone = createValueMasker({ rules: [{ detect: [detector], with: 'partial' }], hashKey });
      for (const [text, masked] of hits[detector] ?? []) expect(alone.maskText(text).text).toBe(masked);
    }
  });

  it('secrets leave our own logs whole but for the secret', () => {
    expect(redactSecrets('up --token abcdef0123456789 joe@example.com')).toBe(
      'up --token [masked] joe@example.com',
    );
  });
});
