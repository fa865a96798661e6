/** Lets no file near llama.cpp whose header does not make sense: a damaged one would end the process. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { readGgufHeader } from '@tabmesh/shared/gguf-header';

/** @throws MeshError `model_invalid` */
export async function checkGgufHeader(file: string): Promise<void> {
  const name = basename(file);
  const handle = await open(file).catch((cause: unknown) => {
    throw MeshError.modelInvalid(`The model file ${file} can't be read. Check the path and its permissions.`, cause);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw MeshError.modelInvalid(`${file} is not a file. Name a .gguf file.`);
    const { size } = stats;
    const { state } = await readGgufHeader({
      sizeBytes: size,
      async head(lengthBytes) {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(lengthBytes), 0, lengthBytes, 0);
        return buffer.subarray(0, bytesRead);
      },
    });
    if (state === 'not-gguf') throw invalid(name, 'is not a GGUF file');
    if (state === 'cut-off') throw invalid(name, `is cut off: it ends after ${size} bytes, inside its header`);
    if (state !== 'read') throw invalid(name, 'has a damaged header');
  } finally {
    await handle.close();
  }
}

export function invalid(name: string, what: string, cause?: unknown): MeshError {
  return MeshError.modelInvalid(`${name} ${what}. Delete it and download it again.`, cause);
}
