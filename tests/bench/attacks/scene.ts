/**
 * An entry with one answering peer, the attackers, and an honest client that has an address of its own, as it would have
 * among strangers: all but the client in processes of their own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntryCalls, EntryLoad } from '../peers/entry-process.ts';
import { INSTANT_MODEL } from '../peers/instant-engine.ts';
import type { InstantProviderCalls } from '../peers/instant-provider-process.ts';
import type { BenchContext } from '../run/benchmark.ts';
import type { Child } from '../run/children.ts';
import type { AttackCalls } from './attack-process.ts';
import { type HonestClient, startHonestClient } from './honest-client.ts';

const SLOTS = 64;
export const IDLE_MS = 8_000;
export const ATTACK_MS = 20_000;
export const MIB = 1024 * 1024;

export interface Scene {
  readonly url: string;
  readonly entry: Child<EntryCalls>;
  readonly attackers: Child<AttackCalls>;
  readonly client: HonestClient;
}

export interface Observed {
  readonly answersMs: readonly number[];
  readonly lost: number;
  readonly memoryBytes: number;
  readonly load: EntryLoad;
}

export async function prepareScene({ children, onEnd, progress }: BenchContext): Promise<Scene> {
  progress('starting the entry, a peer and the attackers');
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-bench-attacks-'));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const process = (file: string) => new URL(file, import.meta.url);
  const entry = await children.start<EntryCalls>(process('../peers/entry-process.ts'));
  const provider = await children.start<InstantProviderCalls>(process('../peers/instant-provider-process.ts'));
  const attackers = await children.start<AttackCalls>(process('./attack-process.ts'));
  const { url } = await entry.call('start', { ledgerPath: join(folder, 'ledger.sqlite') });
  await entry.call('whenLinked', await provider.call('serve', { url, slots: SLOTS }));
  const client = startHonestClient(url, INSTANT_MODEL);
  onEnd(() => client.close());
  // Compilers and caches are done with most of it after some hundred answers.
  await client.observe(IDLE_MS);
  return { url, entry, attackers, client };
}

export async function observe(context: BenchContext, { entry, client }: Scene, forMs: number): Promise<Observed> {
  await entry.call('mostMemoryBytes', undefined);
  await entry.call('load', undefined);
  const { answersMs, lost } = await client.observe(forMs);
  const load = await entry.call('load', undefined);
  context.signal.throwIfAborted();
  for (const reason of lost.slice(0, 3)) context.progress(`lost: ${reason}`);
  return { answersMs, lost: lost.length, memoryBytes: await entry.call('mostMemoryBytes', undefined), load };
}
