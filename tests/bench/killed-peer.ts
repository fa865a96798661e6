/** A native peer is killed without a chance to say goodbye; when does nobody count on it any more? */
import { join } from 'node:path';
import type { Mesh } from '@tabmesh/shared';
import { startBenchEntry } from './peers/bench-entry.ts';
import { whenGone, whenLinked } from './peers/bench-mesh.ts';
import { joinFromNode } from './peers/node-mesh.ts';
import type { ProviderCalls } from './peers/provider-process.ts';
import { type BenchContext, type Benchmark, toResult } from './run/benchmark.ts';
import { median } from './run/statistics.ts';

const ROUNDS = 10;
const MOST_MS = 2_000;

export const benchmark: Benchmark = {
  name: 'killed-peer',
  describe: 'time until a native peer that got SIGKILL has left the roster of the entry and of another member',
  async run(context) {
    const entry = await startBenchEntry();
    context.onEnd(() => entry.close());
    const bob = joinFromNode(entry.url, 'tab');
    context.onEnd(() => bob.close());
    const entryMs: number[] = [];
    const memberMs: number[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      context.signal.throwIfAborted();
      context.progress(`peer ${round} of ${ROUNDS}`);
      const gone = await killOne(context, entry.url, [entry.mesh, bob]);
      entryMs.push(gone[0] ?? Number.NaN);
      memberMs.push(gone[1] ?? Number.NaN);
    }
    return [...figures("the entry's roster", entryMs), ...figures("another member's roster", memberMs)];
  },
};

/** Milliseconds from the kill until each of the meshes has told its listeners that the peer is gone. */
async function killOne(
  { root, children, signal }: BenchContext,
  url: string,
  watchers: readonly Mesh[],
): Promise<number[]> {
  const alice = await children.start<ProviderCalls>(new URL('./peers/provider-process.ts', import.meta.url));
  const serving = await alice.call('serve', { url, file: join(root, 'shared/models/mesh-tiny.gguf'), slots: 1 });
  // Linked, because a link that is still open may keep a peer.
  await Promise.all(watchers.map((mesh) => whenLinked(mesh, serving, signal)));
  const killedMs = performance.now();
  const gone = watchers.map(async (mesh) => {
    await whenGone(mesh, serving.peerId, signal);
    return performance.now() - killedMs;
  });
  await alice.kill();
  return Promise.all(gone);
}

function figures(where: string, times: readonly number[]) {
  return [
    toResult({
      name: `gone from ${where}, longest of ${ROUNDS}`,
      value: Math.max(...times),
      unit: 'ms',
      target: { of: 'value', bound: 'at most', limit: MOST_MS },
    }),
    toResult({ name: `gone from ${where}, median`, value: median(times), unit: 'ms' }),
  ];
}
