/**
 * The models that TabMesh knows by name: one table, one function for the tier, one for the default model.
 */
import { ModelId } from '../protocol/ids.ts';

export type Tier = 'daily-driver' | 'capacity' | 'experimental';

export interface CatalogModel {
  readonly id: ModelId;
  readonly tier: Tier;
  /** `file`: lies under `shared/models` and is served by every entry at `/models/<file>`. */
  readonly gguf?: {
    readonly url?: string;
    readonly file?: string;
    readonly sizeBytes: number;
    readonly sha256?: string;
  };
  /** The id in WebLLM's prebuilt list. */
  readonly mlcId?: string;
  readonly contextTokens: number;
  /** What the model was made for, where that is far from `DEFAULT_TEMPERATURE`. */
  readonly temperature?: number;
}

/** For requests that name none. */
export const DEFAULT_TEMPERATURE = 0.7;

const hub = (repository: string, file: string) => `https://huggingface.co/${repository}/resolve/main/${file}`;

/** Sizes are the files' own, rounded; a download checks the exact size and the hub's SHA-256. */
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
    gguf: {
      url: hub('Qwen/Qwen3-8B-GGUF', 'Qwen3-8B-Q4_K_M.gguf'),
      sizeBytes: 5_030_000_000,
    },
    mlcId: 'Qwen3-8B-q4f16_1-MLC',
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.1-8B-Instruct'),
    tier: 'daily-driver',
    gguf: {
      url: hub('bartowski/Meta-Llama-3.1-8B-Instruct-GGUF', 'Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf'),
      sizeBytes: 4_920_000_000,
    },
    mlcId: 'Llama-3.1-8B-Instruct-q4f16_1-MLC',
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen2.5-Coder-7B-Instruct'),
    tier: 'daily-driver',
    gguf: {
      url: hub('bartowski/Qwen2.5-Coder-7B-Instruct-GGUF', 'Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf'),
      sizeBytes: 4_680_000_000,
    },
    mlcId: 'Qwen2.5-Coder-7B-Instruct-q4f16_1-MLC',
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('DeepSeek-R1-Distill-Qwen-14B'),
    tier: 'daily-driver',
    gguf: {
      url: hub('bartowski/DeepSeek-R1-Distill-Qwen-14B-GGUF', 'DeepSeek-R1-Distill-Qwen-14B-Q4_K_M.gguf'),
      sizeBytes: 8_990_000_000,
    },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Llama-3.2-3B'),
    tier: 'daily-driver',
    gguf: {
      url: hub('bartowski/Llama-3.2-3B-Instruct-GGUF', 'Llama-3.2-3B-Instruct-Q4_K_M.gguf'),
      sizeBytes: 2_020_000_000,
    },
    mlcId: 'Llama-3.2-3B-Instruct-q4f16_1-MLC',
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('Qwen3-32B'),
    tier: 'capacity',
    gguf: {
      url: hub('Qwen/Qwen3-32B-GGUF', 'Qwen3-32B-Q4_K_M.gguf'),
      sizeBytes: 19_800_000_000,
    },
    contextTokens: 32_768,
  },
  {
    id: ModelId.parse('DeepSeek-R1-Distill-70B'),
    tier: 'capacity',
    gguf: {
      url: hub('bartowski/DeepSeek-R1-Distill-Llama-70B-GGUF', 'DeepSeek-R1-Distill-Llama-70B-Q4_K_M.gguf'),
      sizeBytes: 42_500_000_000,
    },
    contextTokens: 32_768,
  },
];

const byId = new Map<string, CatalogModel>(CATALOG.map((model) => [model.id, model]));
const byMlcId = new Map<string, CatalogModel>(
  CATALOG.flatMap((model) => (model.mlcId === undefined ? [] : [[model.mlcId, model] as const])),
);

export function catalogModel(id: string): CatalogModel | undefined {
  return byId.get(id);
}

/** The name under which the mesh serves one of WebLLM's prebuilt models: the catalog's, else WebLLM's own. */
export function modelIdOfMlc(mlcId: string): ModelId {
  return byMlcId.get(mlcId)?.id ?? ModelId.parse(mlcId);
}

/** Experimental is the safe default of everything that the table does not name. */
export function tierOf(id: string): Tier {
  return byId.get(id)?.tier ?? 'experimental';
}

const TIER_RANK: Record<Tier, number> = {
  'daily-driver': 0,
  experimental: 1,
  capacity: 2,
};

/**
 * The model that an absent `model` means: a daily driver where one is served, then whatever experimental model there is,
 * and a capacity model only when nothing else is; inside a tier the one with the most peers, then the first by name.
 */
export function defaultModel(
  served: readonly { readonly id: ModelId; readonly peerCount: number }[],
): ModelId | undefined {
  const [best] = [...served].sort(
    (a, b) => TIER_RANK[tierOf(a.id)] - TIER_RANK[tierOf(b.id)] || b.peerCount - a.peerCount || (a.id < b.id ? -1 : 1),
  );
  return best?.id;
}
