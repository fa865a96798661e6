import type { Machine } from './machine.mjs';

export function announcement(facts: {
  readonly machine: Machine;
  readonly isSlim: boolean;
  readonly freeBytes: number;
}): string[];
