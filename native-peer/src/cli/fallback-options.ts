/** The flags of a fallback provider. Its key has none: a command line is everyone's to read. */
import type { FallbackTexts } from '@tabmesh/signaling';
import { type Command, Option } from 'commander';
import { integer } from './options.ts';

export interface FallbackFlags {
  readonly fallbackUrl?: string;
  readonly fallbackModels?: string;
  readonly fallbackBudget?: number;
}

export function addFallbackOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--fallback-url <url>',
        'OpenAI-compatible API that answers prompts of the web app when the mesh is too slow; ' +
          'needs its key in TABMESH_FALLBACK_KEY, and --fallback-models',
      ).env('TABMESH_FALLBACK_URL'),
    )
    .addOption(
      new Option(
        '--fallback-models <pairs>',
        "which models may leave the mesh, and the provider's names for them: Qwen3-8B=qwen/qwen3-8b,…",
      ).env('TABMESH_FALLBACK_MODELS'),
    )
    .addOption(
      new Option('--fallback-budget <number>', 'answers of the provider per address and hour (default: 20)')
        .env('TABMESH_FALLBACK_BUDGET')
        .argParser(integer(0, 1_000_000)),
    );
}

export function fallbackTexts({ fallbackUrl, fallbackModels, fallbackBudget }: FallbackFlags): FallbackTexts {
  return {
    url: fallbackUrl,
    key: process.env.TABMESH_FALLBACK_KEY,
    models: fallbackModels,
    budget: fallbackBudget,
  };
}
