import type { Machine } from './machine.mjs';

export function llamaPackage(machine: Machine): string | undefined;
export function isLlamaPackage(name: string): boolean;
