/** Two hundred answers at once through one entry, each at fifty tokens a second: does a stream fall behind? */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntryCalls } from './peers/entry-process.ts';
import type { StampingProviderCalls } from './peers/stamping-provider-process.ts';
import type { StreamReaderCalls } from './peers/stream-reader-process.ts';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { percentile } from './run/statistics.ts';

const STREAMS = 200;
const PEERS = 2;
const BEAT = { tokens: 500, intervalMs: 20 };
/** People do not press Enter in one moment, programs may: the harder form has all of them begin at once. */
const START_MS = 10;
const MOST_LATE_MS = 100;

export const benchmark: Benchmark = {
  name: 'streams',
  describe: `${STREAMS} streams at once through one entry, ${1_000 / BEAT.intervalMs} tok/s each, from ${PEERS} peers`,
  async run({ children, progress, onEnd }) {
    const process = (file: string) => new URL(`./peers/${file}`, import.meta.url);
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-streams-'));
    onEnd(() => rm(folder, { recursive: true }));
    const entry = await children.start<EntryCalls>(process('entry-process.ts'));
    const { url } = await entry.call('start', { ledgerPath: join(folder, 'ledger.sqlite') });
    const reader = await children.start<StreamReaderCalls>(process('stream-reader-process.ts'));
    let rivalUrl = '';
    for (let peer = 0; peer < PEERS; peer += 1) {
      const provider = await children.start<StampingProviderCalls>(process('stamping-provider-process.ts'));
      const serving = await provider.call('serve', { url, beat: BEAT, slots: STREAMS });
      await entry.call('whenLinked', serving);
      rivalUrl = await provider.call('listen', BEAT);
    }
    const meshUrl = `${url}/v1/chat/completions`;
    progress('warming up');
    await reader.call('read', { url: meshUrl, streams: 8, startMs: START_MS });
    const idleBytes = await entry.call('mostMemoryBytes', undefined);
    progress('through the entry');
    const ours = await reader.call('read', { url: meshUrl, streams: STREAMS, startMs: START_MS });
    const busyBytes = await entry.call('mostMemoryBytes', undefined);
    progress('through the entry, all begun in one moment');
    const atOnce = await reader.call('read', { url: meshUrl, streams: STREAMS, startMs: 0 });
    progress('by plain HTTP');
    const rivals = await reader.call('read', { url: rivalUrl, streams: STREAMS, startMs: START_MS });
    const rivalsAtOnce = await reader.call('read', { url: rivalUrl, streams: STREAMS, startMs: 0 });

    const rival = (value: number) => ({ name: 'one process, plain HTTP', value });
    return [
      toResult({
        name: 'latest token of the worst stream',
        value: Math.max(...ours.worstMs),
        unit: 'ms',
        rival: rival(Math.max(...rivals.worstMs)),
        target: { of: 'value', bound: 'at most', limit: MOST_LATE_MS },
      }),
      toResult({
        name: 'latest token of the worst stream, all begun in one moment',
        value: Math.max(...atOnce.worstMs),
        unit: 'ms',
        rival: rival(Math.max(...rivalsAtOnce.worstMs)),
        target: { of: 'value', bound: 'at most', limit: MOST_LATE_MS },
      }),
      toResult({
        name: 'lateness of a token, p99, all begun in one moment',
        value: percentile(atOnce.sampleMs, 99),
        unit: 'ms',
        rival: rival(percentile(rivalsAtOnce.sampleMs, 99)),
      }),
      toResult({
        name: 'lateness of a token, p50',
        value: percentile(ours.sampleMs, 50),
        unit: 'ms',
        rival: rival(percentile(rivals.sampleMs, 50)),
      }),
      toResult({
        name: 'lateness of a token, p99',
        value: percentile(ours.sampleMs, 99),
        unit: 'ms',
        rival: rival(percentile(rivals.sampleMs, 99)),
      }),
      toResult({ name: `tokens that came, of ${STREAMS * BEAT.tokens}`, value: ours.tokens, unit: 'tokens' }),
      toResult({
        name: 'memory of the entry',
        value: busyBytes / 1e6,
        unit: 'MB',
        rival: { name: 'the same, with nothing to do', value: idleBytes / 1e6 },
      }),
    ];
  },
};
