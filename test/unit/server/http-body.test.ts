import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { limits } from '../../../gateway-core/contract/limits.js';
import { bodyOf, ndjson } from '../../../gateway-core/server/http-body.js';

const Body = z.object({ name: z.string() }).strict();

function post(body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Request {
  return new Request('https://gateway.test/', { method: 'POST', body, headers: { 'content-type': type } });
}

describe('a JSON body', () => {
  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])(
    'may be of type %j',
    async (type) => {
      expect(await bodyOf(post('{"name":"ü"}', type), Body)).toEqual({ name: 'ü' });
    },
  );

  it.each(['text/plain', 'application/jsonp', 'application/json-seq', 'application/json-patch+json', ''])(
    'may not be of type %j',
    async (type) => {
      await expect(bodyOf(post('{"name":"a"}', type), Body)).rejects.toMatchObject({
        code: 'invalid-request',
      });
    },
  );

  it.each(['', '{', '{"name":1}', '{"name":"a","more":1}', 'null'])('%j is refused', async (text) => {
    await expect(bodyOf(post(text), Body)).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('that is not UTF-8 is refused, not mended', async () => {
    const bytes = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    await expect(bodyOf(post(new Uint8Array(bytes)), Body)).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('is not read past its bound, and may fill it', async () => {
    const whole = `{"name":"${'x'.repeat(limits.requestBodyBytesMax - 11)}"}`;
    expect((await bodyOf(post(whole), Body)).name).toHaveLength(limits.requestBodyBytesMax - 11);
    await expect(bodyOf(post(`${whole} `), Body)).rejects.toMatchObject({ code: 'too-large' });
  });
});

describe('a streamed answer', () => {
  it('is one JSON value a line', async () => {
    expect(await new Response(ndjson(each([1, 'a\nb', null]))).text()).toBe('1\n"a\\nb"\nnull\n');
  });

  it('begins nothing before it is read, and gives back what it began when its reader goes', async () => {
    const ended = vi.fn();
    const begun = vi.fn();
    async function* items() {
      begun();
      try {
        yield* each([1, 2, 3]);
      } finally {
        ended();
      }
    }
    const unread = ndjson(items());
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).not.toHaveBeenCalled();
    await unread.cancel();
    const reader = ndjson(items()).getReader();
    await reader.read();
    await reader.cancel();
    expect([begun.mock.calls.length, ended.mock.calls.length]).toEqual([1, 1]);
  });
});

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) yield await Promise.resolve(value);
}
