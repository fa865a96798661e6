import type { LockedPackages } from './lock-file.mjs';
import type { Machine } from './machine.mjs';

export function nameAt(place: string): string;
export function nativePackages(
  packages: LockedPackages,
  machine: Machine,
): [place: string, entry: { readonly version: string }][];
