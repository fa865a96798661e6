/** An entry of this run's own, on a free port of the loopback. */
import type { Entry } from '@tabmesh/signaling';
import { compiled } from './compiled.ts';

export function startBenchEntry(
  roots: { webRoot?: string; modelRoot?: string; ledgerPath?: string } = {},
): Promise<Entry> {
  return compiled.startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: compiled.createIdentity(compiled.systemRandom),
    version: 'bench',
    logger: compiled.silentLogger,
    ...roots,
  });
}
