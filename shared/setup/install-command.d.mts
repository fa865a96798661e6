import type { Machine } from './machine.mjs';

export function typedCommandFor(wanted: string, root: string, machine: Machine): string;
export function typedReinstallation(root: string): string;
