import type { Machine } from '../../shared/setup/machine.mjs';
import type { LockedPackage } from './lock-file.mjs';

export const FAMILIES: readonly { readonly what: string; readonly prefix: string }[];
export function nativeFamilies(
  packages: Readonly<Record<string, { [Field in keyof LockedPackage]: LockedPackage[Field] | undefined }>>,
  machine: Machine,
  isInstalled: (place: string) => boolean,
): { readonly text: 'ok' | 'none' | 'not yet' | 'MISSING'; readonly fault?: string }[];
