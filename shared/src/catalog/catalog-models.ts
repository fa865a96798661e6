/** The models that TabMesh knows by name, as data: what they are, where they come from, how large they are. */
import { ModelId } from '../protocol/ids.ts';

export type Tier = 'daily-driver' | 'capacity' | 'experimental';

/** `file`: lies under `shared/models` and is served by every entry at `/models/<file>`. */
export interface GgufVariant {
  readonly url?: string;
  readonly file?: string;
  readonly sizeBytes: number;
  readonly sha256?: string;
}

export interface MlcVariant {
  /** The id in WebLLM's prebuilt list. */
  readonly id: string;
  /** WebLLM's own figure: weights, context and buffers together, so that nothing needs to be added. */
  readonly memoryBytes: number;
}

export interface CatalogModel {
  readonly id: ModelId;
  readonly tier: Tier;
  readonly gguf?: GgufVariant;
  /** WebLLM's builds, the preferred one first. */
  readonly mlc?: readonly MlcVariant[];
  readonly contextTokens: number;
  /** What the model was made for, where that is far from `DEFAULT_TEMPERATURE`. */
  readonly temperature?: number;
}

const hub = (repository: string, file: string) => `https://huggingface.co/${repository}/resolve/main/${file}`;

/** Files of one maker follow one pattern: the repository's name is the file's. */
const qwen = (name: string) => hub(`Qwen/${name}-GGUF`, `${name}-Q4_K_M.gguf`);
const bartowski = (name: string) => hub(`bartowski/${name}-GGUF`, `${name}-Q4_K_M.gguf`);

const MIB = 1024 ** 2;

/** Half floats are faster and smaller; the other build is for GPUs without `shader-f16`. */
const mlc = (name: string, halfFloatMib: number, floatMib: number): readonly MlcVariant[] => [
  { id: `${name}-q4f16_1-MLC`, memoryBytes: Math.round(halfFloatMib * MIB) },
  { id: `${name}-q4f32_1-MLC`, memoryBytes: Math.round(floatMib * MIB) },
];

/**
 * Sizes are the files' own, rounded; a download checks the exact size and the hub's SHA-256. Contexts are the models'
 * own, up to the 32,768 tokens that a peer gives at most by itself.
 */
export const CATALOG: readonly CatalogModel[] = [
  {
    id: ModelId.parse('mesh-tiny'),
    tier: 'experimental',
    gguf: {
      file: 'mesh-tiny.gguf',
      sizeBytes: 5_620_864,
      sha256: '09fc6b34e147840a8871670c39fefe4e2f23fb6678f8a211316dc55340123911',
    },
    contextTokens: 1024,
    temperature: 0.2,
  },
  {
    id: ModelId.parse('mesh-mini'),
    tier: 'experimental',
    gguf: {
      file: 'mesh-mini.gguf',
      sizeBytes: 1_224_288,
      sha256: '2e290de27a1aee9a1296ea5d24d408dbfc6873474a2bea7b9b397a5cf5ef617d',
    },
    contextTokens: 1024,
    temperature: 0.2,
  },
  {
    id: ModelId.parse('Qwen3-8B'),
    tier: 'daily-driver',
    gguf: { url: qwen('Qwen3-8B'), sizeBytes: 5_030_000_000 },
    mlc: mlc('Qwen3-8B', 5695.78, 6852.55),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.1-8B-Instruct'),
    tier: 'daily-driver',
    gguf: { url: bartowski('Meta-Llama-3.1-8B-Instruct'), sizeBytes: 4_920_000_000 },
    mlc: mlc('Llama-3.1-8B-Instruct', 5001, 6101.01),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen2.5-Coder-7B-Instruct'),
    tier: 'daily-driver',
    gguf: { url: bartowski('Qwen2.5-Coder-7B-Instruct'), sizeBytes: 4_680_000_000 },
    mlc: mlc('Qwen2.5-Coder-7B-Instruct', 5106.67, 5900.09),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('DeepSeek-R1-Distill-Qwen-14B'),
    tier: 'daily-driver',
    gguf: { url: bartowski('DeepSeek-R1-Distill-Qwen-14B'), sizeBytes: 8_990_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.2-3B'),
    tier: 'daily-driver',
    gguf: { url: bartowski('Llama-3.2-3B-Instruct'), sizeBytes: 2_020_000_000 },
    mlc: mlc('Llama-3.2-3B-Instruct', 2263.69, 2951.51),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen3-4B'),
    tier: 'daily-driver',
    gguf: { url: qwen('Qwen3-4B'), sizeBytes: 2_500_000_000 },
    mlc: mlc('Qwen3-4B', 3431.59, 4327.71),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen3-14B'),
    tier: 'daily-driver',
    gguf: { url: qwen('Qwen3-14B'), sizeBytes: 9_000_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen2.5-7B-Instruct'),
    tier: 'daily-driver',
    gguf: { url: bartowski('Qwen2.5-7B-Instruct'), sizeBytes: 4_680_000_000 },
    mlc: mlc('Qwen2.5-7B-Instruct', 5106.67, 5900.09),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Mistral-7B-Instruct-v0.3'),
    tier: 'daily-driver',
    gguf: { url: bartowski('Mistral-7B-Instruct-v0.3'), sizeBytes: 4_370_000_000 },
    mlc: mlc('Mistral-7B-Instruct-v0.3', 4573.39, 5619.27),
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen3-32B'),
    tier: 'capacity',
    gguf: { url: qwen('Qwen3-32B'), sizeBytes: 19_800_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen2.5-32B-Instruct'),
    tier: 'capacity',
    gguf: { url: bartowski('Qwen2.5-32B-Instruct'), sizeBytes: 19_850_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('DeepSeek-R1-Distill-Qwen-32B'),
    tier: 'capacity',
    gguf: { url: bartowski('DeepSeek-R1-Distill-Qwen-32B'), sizeBytes: 19_850_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.1-70B-Instruct'),
    tier: 'capacity',
    gguf: { url: bartowski('Meta-Llama-3.1-70B-Instruct'), sizeBytes: 42_500_000_000 },
    mlc: [{ id: 'Llama-3.1-70B-Instruct-q3f16_1-MLC', memoryBytes: Math.round(31153.13 * MIB) }],
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.3-70B-Instruct'),
    tier: 'capacity',
    gguf: { url: bartowski('Llama-3.3-70B-Instruct'), sizeBytes: 42_500_000_000 },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('DeepSeek-R1-Distill-70B'),
    tier: 'capacity',
    gguf: { url: bartowski('DeepSeek-R1-Distill-Llama-70B'), sizeBytes: 42_500_000_000 },
    contextTokens: 32_768,
  },
];
