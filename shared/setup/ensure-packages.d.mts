import type { Machine } from './machine.mjs';

export function ensurePackages(
  root: string,
  options?: {
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly machine?: Machine;
    readonly freeBytes?: number;
  },
): Promise<void>;
