/** Lets no file near llama.cpp whose header does not make sense: a damaged one would end the process. */
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { FILE_KIND_BYTES, fileKind, WHICH_FILES } from '@tabmesh/shared/file-kind';
import { type GgufHeader, readGgufHeader } from '@tabmesh/shared/gguf-header';
import { ggufPartOf } from '@tabmesh/shared/gguf-parts';

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
    const kind = fileKind(await head(handle, Math.min(size, FILE_KIND_BYTES)));
    if (kind !== undefined) throw MeshError.modelInvalid(`${name} is ${kind.what}. ${kind.advice}`);
    const source = { sizeBytes: size, head: (lengthBytes: number) => head(handle, lengthBytes) };
    const reading = await readGgufHeader(source, WANTED);
    if (reading.state === 'not-gguf') throw MeshError.modelInvalid(`${name} is not a GGUF file. ${WHICH_FILES}`);
    if (reading.state === 'cut-off') throw invalid(name, `is cut off: it ends after ${size} bytes, inside its header`);
    if (reading.state !== 'read') throw invalid(name, 'has a damaged header');
    const { header } = reading;
    if (header.tensorCount > 0 && header.lastTensorAt >= size) {
      throw invalid(name, `is cut off: it ends after ${size} bytes, and some of its weights are missing`);
    }
    refuseOtherPart(name, header);
    refuseWhatIsNoModel(name, header);
  } finally {
    await handle.close();
  }
}

export function invalid(name: string, what: string, cause?: unknown): MeshError {
  return MeshError.modelInvalid(`${name} ${what}. Delete it and download it again.`, cause);
}

const WANTED = /^(general\.(architecture|type)|split\.(no|count))$/;

async function head(handle: FileHandle, lengthBytes: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(lengthBytes), 0, lengthBytes, 0);
  return buffer.subarray(0, bytesRead);
}

/** A part knows its place. Under another name llama.cpp finds none of the others, and says that the file is damaged. */
function refuseOtherPart(name: string, header: GgufHeader): void {
  const [number, count] = [header.number('split.no'), header.number('split.count')];
  if (count === undefined || count <= 1 || number === undefined) return;
  const named = ggufPartOf(name);
  if (named?.index === number + 1 && named.count === count) return;
  const place = `part ${number + 1} of ${count} of a split model`;
  throw MeshError.modelInvalid(
    named === undefined
      ? `${name} is ${place}, but its name does not say so. Give all parts the names that they were published under, such as model-00001-of-${String(count).padStart(5, '0')}.gguf, or pull the model again.`
      : `${name} is ${place}: it belongs to another model, or has another part's name. Download it again under its own name.`,
  );
}

/** What goes with a model or came of one has its own kind of GGUF file. */
function refuseWhatIsNoModel(name: string, header: GgufHeader): void {
  const decoder = new TextDecoder();
  const type = decoder.decode(header.bytes('general.type'));
  const isClip = decoder.decode(header.bytes('general.architecture')) === 'clip';
  const what = isClip ? COMPANIONS.mmproj : COMPANIONS[type];
  if (what === undefined) return;
  throw MeshError.modelInvalid(`${name} is ${what}, no model by itself. Serve the GGUF file of the model.`);
}

const COMPANIONS: Readonly<Record<string, string>> = {
  mmproj: 'the part that lets a model see or hear (mmproj)',
  adapter: 'an adapter (LoRA) for a model',
  imatrix: 'an importance matrix, which is used to quantise a model',
};
