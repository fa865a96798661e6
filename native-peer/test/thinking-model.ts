/**
 * A GGUF file of a model that always says the same, for llama.cpp itself: each token has a place of its own in the
 * embedding, and the output puts behind it the one token that follows it in the script. So it thinks aloud, and goes on from
 * wherever it is asked to, as a trained model would, without one being there.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BYTE_OF } from '@tabmesh/shared/token-floor';
import { ggufString, uint32, uint64 } from './gguf-header-bytes.ts';

const ASSISTANT = '<|assistant|>';
const END = '<|end|>';
/** What it writes behind `<|assistant|>`, token by token; none of them twice. */
export const SCRIPT = [
  ...['<think>', '\n', 'Hm', ', stop', ' now.', ' Two.', '</think>'],
  ...['\n\n', 'It', ' is', ' two', ' indeed.'],
];
export const WRITTEN = SCRIPT.join('');

const TURNS = `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}${END}{% endfor %}${ASSISTANT}`;
export const TEMPLATES = {
  /** As Qwen3's: thinks by itself, and is given an empty thought where it shall not. */
  willing: `${TURNS}{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}`,
  /** As DeepSeek-R1's: opens the thought itself, whatever is asked. */
  opening: `${TURNS}{{ '<think>\\n' }}`,
} as const;

const CONTROL_TEXTS = [ASSISTANT, END, '<|user|>', '<|system|>'];
const TOKENS = [...BYTE_OF.keys(), 'zz', ...CONTROL_TEXTS, ...SCRIPT.filter((text) => text !== '\n')];
/** Of the token that ends an answer. */
export const END_ID = TOKENS.indexOf(END);

export async function writeThinkingModel(folder: string, template: string): Promise<string> {
  const tokens = TOKENS;
  const width = Math.ceil(tokens.length / BLOCK) * BLOCK;
  const idOf = (text: string) => tokens.indexOf(text === '\n' ? NEWLINE : text);
  const follows = new Map<number, number>();
  [ASSISTANT, ...SCRIPT, END].forEach((text, place, all) => {
    const next = all[place + 1];
    if (next !== undefined) follows.set(idOf(text), idOf(next));
  });
  const types = tokens.map((text) => (CONTROL_TEXTS.includes(text) ? CONTROL : SCRIPT.includes(text) ? USER : NORMAL));
  const keys = [
    text('general.architecture', 'llama'),
    number('general.file_type', 0),
    number('llama.context_length', CONTEXT_TOKENS),
    number('llama.embedding_length', width),
    number('llama.block_count', 1),
    number('llama.feed_forward_length', BLOCK),
    number('llama.attention.head_count', 1),
    number('llama.attention.head_count_kv', 1),
    number('llama.rope.dimension_count', width),
    Buffer.concat([ggufString('llama.attention.layer_norm_rms_epsilon'), uint32(FLOAT32), float32(1e-5)]),
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', 'default'),
    list('tokenizer.ggml.tokens', STRING, tokens.map(ggufString)),
    list('tokenizer.ggml.token_type', INT32, types.map(uint32)),
    list('tokenizer.ggml.merges', STRING, [ggufString('z z')]),
    number('tokenizer.ggml.eos_token_id', idOf(END)),
    text('tokenizer.chat_template', template),
  ];
  const one = (row: number, column: number | undefined, data: Float32Array) => {
    if (column !== undefined) data[row * width + column] = 1;
  };
  const embedding = new Float32Array(width * tokens.length);
  const output = new Float32Array(width * tokens.length);
  for (const id of tokens.keys()) one(id, id, embedding);
  for (const [id, next] of follows) one(next, id, output);
  const ones = new Float32Array(width).fill(1);
  const none = (columns: number, rows: number) => ({
    dimensions: [columns, rows],
    data: new Float32Array(columns * rows),
  });
  const tensors = {
    token_embd: { dimensions: [width, tokens.length], data: embedding },
    output_norm: { dimensions: [width], data: ones },
    output: { dimensions: [width, tokens.length], data: output },
    'blk.0.attn_norm': { dimensions: [width], data: ones },
    'blk.0.attn_q': none(width, width),
    'blk.0.attn_k': none(width, width),
    'blk.0.attn_v': none(width, width),
    'blk.0.attn_output': none(width, width),
    'blk.0.ffn_norm': { dimensions: [width], data: ones },
    'blk.0.ffn_gate': none(width, BLOCK),
    'blk.0.ffn_up': none(width, BLOCK),
    'blk.0.ffn_down': none(BLOCK, width),
  };
  const file = join(folder, 'thinking-model.gguf');
  await writeFile(file, gguf(keys, Object.entries(tensors)));
  return file;
}

type NamedTensor = readonly [string, { readonly dimensions: readonly number[]; readonly data: Float32Array }];

/** All rows are whole blocks, so that each tensor begins where it may. */
function gguf(keys: readonly Buffer[], tensors: readonly NamedTensor[]): Buffer {
  const infos: Buffer[] = [];
  let offset = 0;
  for (const [name, { dimensions, data }] of tensors) {
    const lengths = dimensions.map(uint64);
    infos.push(ggufString(`${name}.weight`), uint32(lengths.length), ...lengths, uint32(F32), uint64(offset));
    offset += data.byteLength;
  }
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(3),
    uint64(tensors.length),
    uint64(keys.length),
    ...keys,
    ...infos,
  ]);
  const padding = Buffer.alloc((BLOCK - (head.length % BLOCK)) % BLOCK);
  return Buffer.concat([head, padding, ...tensors.map(([, { data }]) => Buffer.from(data.buffer))]);
}

const BLOCK = 32;
const CONTEXT_TOKENS = 512;
/** GPT-2's sign for a line break. */
const NEWLINE = '\u010a';
const NORMAL = 1;
const CONTROL = 3;
const USER = 4;
const F32 = 0;
const UINT32 = 4;
const INT32 = 5;
const FLOAT32 = 6;
const STRING = 8;
const ARRAY = 9;

function text(key: string, value: string): Buffer {
  return Buffer.concat([ggufString(key), uint32(STRING), ggufString(value)]);
}

function list(key: string, type: number, values: readonly Buffer[]): Buffer {
  return Buffer.concat([ggufString(key), uint32(ARRAY), uint32(type), uint64(values.length), ...values]);
}

function number(key: string, value: number): Buffer {
  return Buffer.concat([ggufString(key), uint32(UINT32), uint32(value)]);
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
