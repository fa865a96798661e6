/** How the command line tells an error: one sentence and its code; the stack only for those who ask. */
import { inspect } from 'node:util';
import { MeshError } from '@tabmesh/shared';
import { levelNamed } from './log-levels.ts';
import { showSourceLines } from './source-lines.ts';
import { complain } from './terminal.ts';

export function reportError(error: unknown): void {
  const level = levelNamed(process.env.TABMESH_LOG);
  if (level === 'debug' || level === 'trace') {
    showSourceLines(error);
    complain(...inspect(error).split('\n'));
  } else if (MeshError.is(error)) complain(`${error.message} (${error.code})`);
  else {
    const reason = error instanceof Error ? error.message : String(error);
    complain(`Something unexpected failed: ${reason}. TABMESH_LOG=debug shows where.`);
  }
}
