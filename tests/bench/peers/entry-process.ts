/** An entry in a process of its own, as it runs in earnest: its ledger is a file. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Entry } from '@tabmesh/signaling';
import { answerCalls } from '../run/answer-calls.ts';
import { startBenchEntry } from './bench-entry.ts';
import { type Serving, whenLinked } from './bench-mesh.ts';

export type EntryCalls = {
  /** `webRoot`: the folder of a built web app. */
  start(options: { ledgerPath: string; webRoot?: string }): Promise<{ url: string }>;
  /** Resolves once the entry has a link to the peer and knows of its model. */
  whenLinked(serving: Serving): Promise<void>;
  /** What the process holds in memory, in bytes; the most since the last call. */
  mostMemoryBytes(): number;
  /** How busy its process was since the last call. */
  load(): EntryLoad;
};

export interface EntryLoad {
  /** Processors that it kept busy, of all its threads. */
  readonly processors: number;
  /** The longest turn of its event loop, in milliseconds. */
  readonly longestTurnMs: number;
}

let entry: Entry | undefined;
let mostBytes = 0;
const lookAtMemory = () => {
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
};
setInterval(lookAtMemory, 100).unref();
const turns = monitorEventLoopDelay({ resolution: 2 });
let before = { atMs: performance.now(), cpu: process.cpuUsage() };

answerCalls<EntryCalls>({
  async start(options) {
    entry = await startBenchEntry(options);
    return { url: entry.url };
  },
  whenLinked(serving) {
    if (entry === undefined) throw new Error('The entry has not started yet.');
    return whenLinked(entry.mesh, serving, new AbortController().signal);
  },
  load() {
    const { user, system } = process.cpuUsage(before.cpu);
    const tookMs = performance.now() - before.atMs;
    const load = { processors: (user + system) / 1_000 / tookMs, longestTurnMs: turns.max / 1e6 };
    turns.enable();
    turns.reset();
    before = { atMs: performance.now(), cpu: process.cpuUsage() };
    return load;
  },
  mostMemoryBytes() {
    lookAtMemory();
    const bytes = mostBytes;
    mostBytes = 0;
    return bytes;
  },
});
