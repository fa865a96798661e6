/**
 * Requests that would hold a peer's event loop: as an attack on an entry whose peers answer others meanwhile, and how long a
 * native peer's loop stands still for one of each kind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeLongContextModel } from '../../../native-peer/test/long-context-model.ts';
import { type BenchContext, type Benchmark, type Result, toResult } from '../run/benchmark.ts';
import { median } from '../run/statistics.ts';
import type { Stall, StalledEngineCalls } from './stalled-engine-process.ts';
import { STALLING_REQUESTS, type StallingRequest } from './stalling-requests.ts';

const MOST_HELD_MS = 100;
/** One in three meets another program on the machine. */
const ROUNDS = 3;
const SLOTS = 3;
/** mesh-tiny's own, and one in which much more is read before it is refused. */
const CONTEXTS = [1_024, 16_384];

/** One of each kind after the other, again and again, at whatever model the entry lists. */
export const stallingRequests = {
  name: 'requests that take long to read',
  async start(entryUrl: string): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const { data } = await (await fetch(`${entryUrl}/v1/models`)).json();
    const model: string = data[0].id;
    const asking = (async () => {
      while (!stop.signal.aborted) {
        for (const request of STALLING_REQUESTS) await send(entryUrl, model, request, stop.signal);
      }
    })().catch(() => {});
    return async () => {
      stop.abort();
      await asking;
    };
  },
};

export const benchmark: Benchmark = {
  name: 'stalls',
  describe: 'how long a native peer stands still, and a reader beside it waits, for requests that take long to read',
  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-stalls-'));
    context.onEnd(() => rm(folder, { recursive: true }));
    const results: Result[] = [];
    for (const contextTokens of CONTEXTS) {
      const file = await writeLongContextModel(folder, contextTokens);
      results.push(...(await measureAll(context, file, contextTokens)));
    }
    return results;
  },
};

async function measureAll({ children, progress, signal }: BenchContext, file: string, contextTokens: number) {
  const results: Result[] = [];
  const child = await children.start<StalledEngineCalls>(new URL('./stalled-engine-process.ts', import.meta.url));
  await child.call('load', { file, slots: SLOTS, contextTokens });
  const measure = async (request: StallingRequest | undefined) => {
    const rounds: Stall[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      rounds.push(await child.call('measure', request));
    }
    const figure = (name: 'heldMs' | 'gapMs' | 'tookMs') => median(rounds.map((round) => round[name]));
    return { heldMs: figure('heldMs'), gapMs: figure('gapMs'), tookMs: figure('tookMs'), code: rounds[0]?.code ?? '' };
  };
  const alone = await measure(undefined);
  for (const request of STALLING_REQUESTS) {
    progress(`${request.name}, context of ${contextTokens}`);
    const { heldMs, gapMs, tookMs, code } = await measure(request);
    const what = `${request.name}, context ${contextTokens.toLocaleString('en')}${code === '' ? '' : ` (${code})`}`;
    results.push(
      toResult({
        name: `event loop held: ${what}`,
        value: heldMs,
        unit: 'ms',
        rival: { name: 'without it', value: alone.heldMs },
        target: { of: 'value', bound: 'at most', limit: MOST_HELD_MS },
      }),
      toResult({
        name: `longest wait for a token beside: ${what}`,
        value: gapMs,
        unit: 'ms',
        rival: { name: 'without it', value: alone.gapMs },
      }),
      toResult({ name: `until it was told: ${what}`, value: tookMs, unit: 'ms' }),
    );
  }
  await child.close();
  return results;
}

async function send(entryUrl: string, model: string, request: StallingRequest, signal: AbortSignal): Promise<void> {
  const { messages, inputs, more = {} } = request;
  const { responseFormat, stop = [] } = more;
  const [path, body] =
    inputs === undefined
      ? [
          '/v1/chat/completions',
          {
            messages,
            max_tokens: 8,
            stop: stop.slice(0, 4),
            ...(responseFormat?.type === 'json_schema'
              ? {
                  response_format: {
                    type: 'json_schema',
                    json_schema: { name: 'wanted', schema: responseFormat.schema },
                  },
                }
              : {}),
          },
        ]
      : ['/v1/embeddings', { input: inputs }];
  const response = await fetch(`${entryUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, ...body }),
    signal,
  });
  await response.arrayBuffer();
}
