import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { MeshError } from '@tabmesh/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readGgufMetadata } from '../src/engines/wllama/gguf-metadata.ts';

const tiny = new URL('../../shared/models/mesh-tiny.gguf', import.meta.url);

describe('GGUF metadata', () => {
  it('EN60: reads quantisation, template, context and vocabulary of the embedded model', async () => {
    const metadata = await readGgufMetadata(await openAsBlob(tiny));

    expect(metadata).toMatchObject({
      fileType: '7',
      contextTokens: 1024,
      bosText: '<s>',
      eosText: '<|im_end|>',
      vocabularySize: 3072,
    });
    expect(metadata.control.split('<|im_start|>Hi<|im_end|></s>')).toHaveLength(7);
    expect(metadata.floor('\n'.repeat(100))).toBeCloseTo(100);
    expect(new TextDecoder().decode(metadata.chatTemplate)).toMatch(/^{% for message in messages %}/);
  });

  it.each([
    ['nothing', new Uint8Array(), 'not a GGUF'],
    ['an error page', new TextEncoder().encode('<html>Not found</html>'), 'not a GGUF'],
    ['version 1', head([0x46554747, 1]), 'version 1'],
    ['the magic alone', head([0x46554747]), 'not a GGUF'],
    ['the fixed head alone', head([0x46554747, 3]), 'ends in the middle'],
    ['no weights', head([0x46554747, 3, 0, 0, 0, 0]), 'truncated'],
  ])('EN61: a file of %s is refused as model_invalid', async (_, bytes, sentence) => {
    await expect(readGgufMetadata(new Blob([bytes]))).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining(sentence),
    });
  });

  it.each([1_000, 60_000, 3_000_000])('EN61: a file cut after %d bytes is refused as model_invalid', async (bytes) => {
    const whole = await openAsBlob(tiny);
    await expect(readGgufMetadata(whole.slice(0, bytes))).rejects.toMatchObject({ code: 'model_invalid' });
  });

  it('EN61: any damage to the head ends in metadata or in model_invalid', async () => {
    const whole = new Uint8Array(await readFile(tiny));
    await fc.assert(
      fc.asyncProperty(fc.nat(4_000), fc.uint8Array({ minLength: 1, maxLength: 16 }), async (at, damage) => {
        const damaged = whole.slice(0, 1_000_000);
        damaged.set(damage, at);
        const outcome = await readGgufMetadata(new Blob([damaged])).catch((error: unknown) => error);
        expect(MeshError.is(outcome) ? outcome.code : 'model_invalid').toBe('model_invalid');
        expect(outcome).not.toBeInstanceOf(RangeError);
      }),
      { numRuns: 60 },
    );
  });
});

function head(words: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(words).buffer);
}
