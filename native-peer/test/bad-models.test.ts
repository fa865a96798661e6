/** Files that are no usable model: one sentence that says what to do, before llama.cpp ever sees them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { MINI } from './embedded-models.ts';
import { ggufHeader } from './gguf-header-bytes.ts';
import { writeHugeModel } from './huge-model.ts';
import { temporaryFolder } from './temporary-folder.ts';

const load = (file: string) => loadLlamaEngine({ file, slots: 1, threads: 1, gpu: 'off' });

describe('bad model files', () => {
  it('NP9: a GGUF cut off anywhere is refused as model_invalid', async () => {
    const folder = await temporaryFolder();
    const whole = await readFile(MINI);
    const file = join(folder, 'cut.gguf');
    for (const length of [0, 3, 4, 23, 24, 400, 30_000, 60_000, 72_000, 600_000, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await expect(load(file), `${length} bytes`).rejects.toMatchObject({
        code: 'model_invalid',
        message: expect.stringMatching(/cut\.gguf (is cut off|has a damaged).*download it again\.$/),
      });
    }
  });

  it('NP10: a file that is no GGUF is refused as model_invalid', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'letter.gguf');
    await writeFile(file, 'Dear model, '.repeat(1000));
    await expect(load(file)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining('letter.gguf is not a GGUF file.'),
    });
    await expect(load(folder)).rejects.toMatchObject({ code: 'model_invalid' });
    await expect(load(join(folder, 'missing.gguf'))).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining('Check the path'),
    });
  });

  it.each([
    ['a GGUF file of version 1', (bytes: Buffer) => bytes.writeUInt32LE(1, 4)],
    ['a big-endian GGUF file', (bytes: Buffer) => bytes.writeUInt32BE(3, 4)],
    ['a GGUF file of version 4, newer', (bytes: Buffer) => bytes.writeUInt32LE(4, 4)],
    ['a web page', (bytes: Buffer) => bytes.write('<!DOCTYPE html>')],
    ['a safetensors file', (bytes: Buffer) => bytes.fill('\0', 0, 8).writeUInt16LE(999) && bytes.write('{"__met', 8)],
    ['a ZIP archive', (bytes: Buffer) => bytes.write('PK\x03\x04')],
  ])('NP105: %s is told as such, with the files that work', async (what, change) => {
    const bytes = Buffer.from(await readFile(MINI));
    change(bytes);
    const file = join(await temporaryFolder(), 'other.gguf');
    await writeFile(file, bytes);
    await expect(load(file)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringMatching(new RegExp(`^other\\.gguf is ${what}.*Only GGUF files of version 2 and 3 work`)),
    });
  });

  it.each([
    ['adapter', 'llama', 'an adapter'],
    ['mmproj', 'clip', 'see or hear'],
    ['', 'clip', 'see or hear'],
    ['imatrix', 'llama', 'an importance matrix'],
  ])('NP105: what goes with a model (%j of %s) is told as such', async (type, architecture, what) => {
    const file = join(await temporaryFolder(), 'beside.gguf');
    const metadata = [['general.architecture', architecture], ...(type === '' ? [] : [['general.type', type]])] as [
      string,
      string,
    ][];
    const header = ggufHeader({ metadata, tensor: { name: 'weight', dimensions: [8] } });
    await writeFile(file, Buffer.concat([header, Buffer.alloc(32)]));
    await expect(load(file)).rejects.toMatchObject({ code: 'model_invalid', message: expect.stringContaining(what) });
  });

  it('NP11: lengths in the header that no file can have are refused as model_invalid', async () => {
    const folder = await temporaryFolder();
    const whole = await readFile(MINI);
    const file = join(folder, 'wild.gguf');
    const keyAt = whole.indexOf('general.name');
    const arrayAt = whole.indexOf('tokenizer.ggml.tokens') + 'tokenizer.ggml.tokens'.length + 8;
    const dimensionsAt = whole.indexOf('blk.0.ffn_down.weight') + 'blk.0.ffn_down.weight'.length;
    const wilds: ((bytes: Buffer) => void)[] = [
      (bytes) => bytes.writeUInt32LE(77, 4),
      (bytes) => bytes.writeBigUInt64LE(2n ** 40n, 8),
      (bytes) => bytes.writeBigUInt64LE(2n ** 40n, 16),
      (bytes) => bytes.writeBigUInt64LE(2n ** 31n + 5n, keyAt - 8),
      (bytes) => bytes.writeBigUInt64LE(2n ** 62n, keyAt - 8),
      (bytes) => bytes.writeBigUInt64LE(2n ** 40n, arrayAt),
      (bytes) => bytes.writeUInt32LE(9, arrayAt - 4),
      (bytes) => bytes.writeUInt32LE(1000, dimensionsAt),
      (bytes) => bytes.writeBigUInt64LE(2n ** 50n, dimensionsAt + 4),
    ];
    for (const [index, damage] of wilds.entries()) {
      const bytes = Buffer.from(whole);
      damage(bytes);
      await writeFile(file, bytes);
      await expect(load(file), `damage ${index}`).rejects.toMatchObject({ code: 'model_invalid' });
    }
  });

  it('NP12: a model that does not fit in memory is refused as out_of_memory before it is read', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'huge.gguf');
    await writeHugeModel(file);
    await expect(load(file)).rejects.toMatchObject({
      code: 'out_of_memory',
      message: expect.stringMatching(/huge\.gguf needs .* GB of memory .* are free.*smaller model\.$/),
    });
  });
});
