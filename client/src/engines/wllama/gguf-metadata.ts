/**
 * What a GGUF file says of itself: in a sentence what is wrong with a file that is none, before an engine sees it, and
 * what the model's class needs. wllama gives the metadata too, but only after loading, and it reads garbage.
 */
import { MeshError } from '@tabmesh/shared';
import { ControlTexts } from '@tabmesh/shared/control-texts';
import { type GgufHeader, readGgufHeader } from '@tabmesh/shared/gguf-header';
import { createTokenFloor, type TokenFloor } from '@tabmesh/shared/token-floor';

export interface GgufMetadata {
  /** `general.file_type` in decimal; empty when the file has none. */
  readonly fileType: string;
  /** UTF-8 of `tokenizer.chat_template`; empty when the file has none. */
  readonly chatTemplate: Uint8Array;
  /** The context that the model was trained for. */
  readonly contextTokens: number | undefined;
  /** Texts of the tokens that begin and end a text, as templates write them; empty when the file names none. */
  readonly bosText: string;
  readonly eosText: string;
  readonly vocabularySize: number;
  readonly floor: TokenFloor;
  readonly control: ControlTexts;
}

/** @throws MeshError `model_invalid` */
export async function readGgufMetadata(file: Blob): Promise<GgufMetadata> {
  const header = await readHeader(file);
  if (header.tensorCount === 0 || header.lastTensorAt >= file.size) {
    throw MeshError.modelInvalid('The GGUF file is truncated: some of its weights are missing. Download it again.');
  }
  const architecture = new TextDecoder().decode(header.bytes('general.architecture'));
  return {
    fileType: String(header.number('general.file_type') ?? ''),
    // A copy, so that it does not keep the whole header.
    chatTemplate: header.bytes('tokenizer.chat_template')?.slice() ?? new Uint8Array(),
    contextTokens: header.number(`${architecture}.context_length`),
    bosText: tokenText(header, 'bos'),
    eosText: tokenText(header, 'eos'),
    vocabularySize: header.texts(VOCABULARY)?.count ?? 0,
    ...vocabularyOf(header),
  };
}

const VOCABULARY = 'tokenizer.ggml.tokens';
const WANTED =
  /^(general\.(architecture|file_type)|tokenizer\.(chat_template|ggml\.(model|tokens|token_type|[be]os_token_id))|.*\.context_length)$/;

async function readHeader(file: Blob): Promise<GgufHeader> {
  const source = {
    sizeBytes: file.size,
    head: async (lengthBytes: number) => new Uint8Array(await file.slice(0, lengthBytes).arrayBuffer()),
  };
  // Less than magic and version is no cut-off model but something else.
  const reading = file.size < 8 ? ({ state: 'not-gguf' } as const) : await readGgufHeader(source, WANTED);
  switch (reading.state) {
    case 'read':
      return reading.header;
    case 'not-gguf':
      throw MeshError.modelInvalid('This file is not a GGUF model. Choose a file that ends in .gguf.');
    case 'unknown-version':
      throw MeshError.modelInvalid(
        `The file is of GGUF version ${reading.version}, but only 2 and 3 can be read. Convert it with llama.cpp's tools.`,
      );
    case 'cut-off':
      throw MeshError.modelInvalid('The GGUF file ends in the middle of its header. Download it again.');
    case 'damaged':
      throw MeshError.modelInvalid('The GGUF file is damaged: its header makes no sense. Download it again.');
    default:
      return reading satisfies never;
  }
}

/** llama.cpp's numbers in GGUF files. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
/** Some files call a control token a normal one; llama.cpp knows those by their looks. */
const LOOKS_LIKE_CONTROL = /^<[|｜].*[|｜]>$/s;

function vocabularyOf(header: GgufHeader): Pick<GgufMetadata, 'floor' | 'control'> {
  const tokens = [...(header.texts(VOCABULARY)?.all() ?? [])];
  const types = header.integers('tokenizer.ggml.token_type');
  const tokenizer = new TextDecoder().decode(header.bytes('tokenizer.ggml.model'));
  const control = tokens.filter((text, id) => {
    const type = types?.[id];
    return type === CONTROL || type === UNKNOWN || (type === NORMAL && LOOKS_LIKE_CONTROL.test(text));
  });
  return { floor: createTokenFloor(tokens, tokenizer), control: new ControlTexts(control) };
}

function tokenText(header: GgufHeader, name: 'bos' | 'eos'): string {
  const id = header.number(`tokenizer.ggml.${name}_token_id`);
  return id === undefined ? '' : (header.texts(VOCABULARY)?.at(id) ?? '');
}
