/** Two processes, with a link of the mesh and with a bare data channel between them. */
import type { BenchContext } from '../run/benchmark.ts';
import type { Child } from '../run/children.ts';
import { startBenchEntry } from './bench-entry.ts';
import type { LinkCalls } from './link-process.ts';

export async function connectBoth({ children, onEnd }: BenchContext) {
  const entry = await startBenchEntry();
  onEnd(() => entry.close());
  const process = new URL('./link-process.ts', import.meta.url);
  const alice = await children.start<LinkCalls>(process);
  const bob = await children.start<LinkCalls>(process);
  await alice.call('join', entry.url);
  const bobId = await bob.call('join', entry.url);
  await alice.call('connect', bobId);
  await connectBare(alice, bob);
  return { alice, bob, bobId };
}

const ATTEMPTS = 5;

async function connectBare(alice: Child<LinkCalls>, bob: Child<LinkCalls>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await bob.call('bare-answer', await alice.call('bare-offer', undefined));
    try {
      return await alice.call('bare-accept', answer);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
