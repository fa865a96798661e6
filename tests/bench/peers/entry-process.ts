/** An entry in a process of its own, as it runs in earnest: its ledger is a file. */
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
};

let entry: Entry | undefined;
let mostBytes = 0;
const lookAtMemory = () => {
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
};
setInterval(lookAtMemory, 100).unref();

answerCalls<EntryCalls>({
  async start(options) {
    entry = await startBenchEntry(options);
    return { url: entry.url };
  },
  whenLinked(serving) {
    if (entry === undefined) throw new Error('The entry has not started yet.');
    return whenLinked(entry.mesh, serving, new AbortController().signal);
  },
  mostMemoryBytes() {
    lookAtMemory();
    const bytes = mostBytes;
    mostBytes = 0;
    return bytes;
  },
});
