/** An entry of this run's own, on a free port of the loopback. */
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { type Entry, startEntry } from '@tabmesh/signaling';

export function startBenchEntry(roots: { webRoot?: string; modelRoot?: string } = {}): Promise<Entry> {
  return startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(systemRandom),
    version: 'bench',
    logger: silentLogger,
    ...roots,
  });
}
