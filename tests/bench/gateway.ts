/**
 * What an entry adds to a request, and how many it takes a second, beside another gateway written for Node
 * (`@portkey-ai/gateway`). Both give the same answer of an engine that costs nothing. Behind the other gateway it is a
 * stub that speaks OpenAI's API by HTTP; behind the entry it is a peer that is asked over WebRTC, as every peer is.
 * All of them, and the load, run in processes of their own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../../shared/setup/ensure-packages.mjs';
import type { EntryCalls } from './peers/entry-process.ts';
import { INSTANT_MODEL, INSTANT_TOKENS } from './peers/instant-engine.ts';
import type { InstantProviderCalls } from './peers/instant-provider-process.ts';
import type { StubEngineCalls } from './peers/stub-engine-process.ts';
import type { Endpoint, LoadCalls, RequestTimes } from './rivals/load-process.ts';
import type { PortkeyCalls } from './rivals/portkey-process.ts';
import { type BenchContext, type Benchmark, type Result, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { inTurn, median, medianOfPairs, percentile } from './run/statistics.ts';

const RIVAL = 'portkey';
const CONNECTIONS = 32;
const LATENCY_ROUNDS = 9;
const REQUESTS = 100;
const STREAMED_REQUESTS = 40;
/** It holds the first chunk of every stream back for so long, by a timer of its own. Ours are compared with the rest. */
const RIVAL_WAIT_MS = 25;
const RATE_ROUNDS = 5;
const RATE_SECONDS = 1.5;
const WARM_UPS = 1;
const LEAST_RATE_RATIO = 2;

export const benchmark: Benchmark = {
  name: 'gateway',
  describe: `an entry (answers from a peer over WebRTC) beside ${RIVAL} (answers from a stub by HTTP), no time in the engine`,
  async run(context) {
    const { load, sides } = await start(context);
    const results: Result[] = [];
    for (const stream of [false, true]) {
      const ours = sides.entry(stream);
      const rival = sides.portkey(stream);
      const stub = sides.stub(stream);
      await sameAnswer(load, stream, [ours, rival, stub]);
      context.progress(stream ? 'streamed, one at a time' : 'in one piece, one at a time');
      // Compilers are done with all of it after some thousand requests.
      for (const endpoint of [ours, rival, stub]) await rate(load, endpoint);
      results.push(...(await latencies(context, load, { stream, ours, rival, stub })));
      context.progress(`${stream ? 'streamed' : 'in one piece'}, ${CONNECTIONS} at a time`);
      results.push(await rates(context, load, { stream, ours, rival }));
    }
    return results;
  },
};

type Load = Child<LoadCalls>;
type Side = (stream: boolean) => Endpoint;

async function start({ children, onEnd, progress }: BenchContext): Promise<{
  load: Load;
  sides: Record<'entry' | 'portkey' | 'stub', Side>;
}> {
  progress('starting the entry, a peer, the stub and the other gateway');
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-bench-gateway-'));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  await ensurePackages(join(import.meta.dirname, 'rivals'));
  const process = (file: string) => new URL(file, import.meta.url);
  const load = await children.start<LoadCalls>(process('rivals/load-process.ts'));
  const entry = await children.start<EntryCalls>(process('peers/entry-process.ts'));
  const provider = await children.start<InstantProviderCalls>(process('peers/instant-provider-process.ts'));
  const stub = await children.start<StubEngineCalls>(process('peers/stub-engine-process.ts'));
  const portkey = await children.start<PortkeyCalls>(process('rivals/portkey-process.ts'));

  const { url } = await entry.call('start', { ledgerPath: join(folder, 'ledger.sqlite') });
  await entry.call('whenLinked', await provider.call('serve', { url, slots: 2 * CONNECTIONS }));
  const stubUrl = await stub.call('start', undefined);
  const portkeyUrl = await portkey.call('start', undefined);
  return {
    load,
    sides: {
      entry: chatAt(`${url}/v1`),
      stub: chatAt(stubUrl),
      portkey: chatAt(portkeyUrl, { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': stubUrl }),
    },
  };
}

function chatAt(url: string, headers: Record<string, string> = {}): Side {
  return (stream) => ({
    url: `${url}/chat/completions`,
    headers: { 'content-type': 'application/json', authorization: 'Bearer none', ...headers },
    body: JSON.stringify({
      model: INSTANT_MODEL,
      messages: [
        { role: 'system', content: 'You answer briefly.' },
        { role: 'user', content: 'How long does a request take that takes no time?' },
      ],
      max_tokens: 256,
      stream,
    }),
  });
}

/** A gateway that leaves out half of an answer would be fast. */
async function sameAnswer(load: Load, stream: boolean, endpoints: readonly Endpoint[]): Promise<void> {
  for (const endpoint of endpoints) {
    const body = await load.call('ask', endpoint);
    if (contentOf(body, stream) !== INSTANT_TOKENS.join('')) {
      throw new Error(`${endpoint.url} gave another answer: ${body.slice(0, 500)}`);
    }
  }
}

function contentOf(body: string, stream: boolean): string {
  if (!stream) return JSON.parse(body).choices[0].message.content;
  return body
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)).choices[0]?.delta.content ?? '')
    .join('');
}

interface Round {
  readonly firstByteMs: number;
  readonly medianMs: number;
  readonly totalMs: readonly number[];
}

async function latencies(
  { signal }: BenchContext,
  load: Load,
  { stream, ours, rival, stub }: { stream: boolean; ours: Endpoint; rival: Endpoint; stub: Endpoint },
): Promise<Result[]> {
  const directMs: number[] = [];
  const count = stream ? STREAMED_REQUESTS : REQUESTS;
  const ask = async (endpoint: Endpoint) => toRound(await load.call('oneByOne', { endpoints: [endpoint], count }));
  const rounds = await inTurn({
    rounds: LATENCY_ROUNDS,
    warmUps: WARM_UPS,
    signal,
    ours: () => ask(ours),
    async rivals(round) {
      const gateway = await ask(rival);
      const direct = await ask(stub);
      if (round >= WARM_UPS) directMs.push(direct.medianMs);
      return gateway;
    },
  });
  const name = (figure: string) => `${stream ? 'streamed' : 'in one piece'}, ${figure}`;
  const compared = (figure: string, of: (round: Round) => number, less = 0) => {
    const both = { ours: rounds.ours.map(of), rivals: rounds.rivals.map((round) => of(round) - less) };
    return toResult({
      name: name(figure),
      value: median(both.ours),
      unit: 'ms',
      rival: { name: less === 0 ? RIVAL : `${RIVAL} less its wait of ${less} ms`, value: median(both.rivals) },
      ratio: medianOfPairs(both, (our, other) => our / other),
      target: { of: 'ratio', bound: 'at most', limit: 1 },
    });
  };
  const p99 = (side: readonly Round[]) =>
    percentile(
      side.flatMap((round) => round.totalMs),
      99,
    );
  const waitMs = stream ? RIVAL_WAIT_MS : 0;
  const stubMs = median(directMs);
  return [
    compared('latency p50', (round) => round.medianMs, waitMs),
    ...(stream ? [compared('first byte p50', (round) => round.firstByteMs, waitMs)] : []),
    toResult({
      name: name('latency p99'),
      value: p99(rounds.ours),
      unit: 'ms',
      rival: { name: RIVAL, value: p99(rounds.rivals) },
    }),
    // Either stands in for a call to the engine itself, so the same is taken off both.
    toResult({
      name: name(`p50 over the stub asked directly (${stubMs.toFixed(2)} ms)`),
      value: median(rounds.ours.map((round) => round.medianMs)) - stubMs,
      unit: 'ms',
      rival: { name: RIVAL, value: median(rounds.rivals.map((round) => round.medianMs)) - stubMs },
    }),
  ];
}

function toRound({ firstByteMs, totalMs }: RequestTimes): Round {
  return { firstByteMs: median(firstByteMs), medianMs: median(totalMs), totalMs };
}

async function rates(
  { signal }: BenchContext,
  load: Load,
  { stream, ours, rival }: { stream: boolean; ours: Endpoint; rival: Endpoint },
): Promise<Result> {
  const rounds = await inTurn({
    rounds: RATE_ROUNDS,
    warmUps: 0,
    signal,
    ours: () => rate(load, ours),
    rivals: () => rate(load, rival),
  });
  return toResult({
    name: `${stream ? 'streamed' : 'in one piece'}, ${CONNECTIONS} at a time`,
    value: median(rounds.ours),
    unit: 'requests/s',
    rival: { name: RIVAL, value: median(rounds.rivals) },
    ratio: medianOfPairs(rounds, (our, other) => our / other),
    target: { of: 'ratio', bound: 'at least', limit: LEAST_RATE_RATIO },
  });
}

function rate(load: Load, endpoint: Endpoint): Promise<number> {
  return load.call('manyAtATime', { endpoint, connections: CONNECTIONS, seconds: RATE_SECONDS });
}
