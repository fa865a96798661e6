/**
 * How soon an answer goes on for a client that lost its connection in the middle of it, through a real entry, while the
 * peer goes on saying fifty tokens a second. Each round also holds what came before and behind the loss against what the
 * stream gives when it is read again from its beginning: byte for byte.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntryCalls } from './peers/entry-process.ts';
import type { PacedProviderCalls } from './peers/paced-provider-process.ts';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { percentile } from './run/statistics.ts';

const ROUNDS = 40;
const TOKENS = 60;
const EVENTS_BEFORE = 10;
const MOST_MS = 100;

export const benchmark: Benchmark = {
  name: 'resume',
  describe: 'first byte of an answer that a client goes on with after its connection was lost',
  async run({ children, progress, onEnd, signal }) {
    const process = (file: string) => new URL(`./peers/${file}`, import.meta.url);
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-resume-'));
    onEnd(() => rm(folder, { recursive: true }));
    const entry = await children.start<EntryCalls>(process('entry-process.ts'));
    const { url } = await entry.call('start', { ledgerPath: join(folder, 'ledger.sqlite') });
    const provider = await children.start<PacedProviderCalls>(process('paced-provider-process.ts'));
    const serving = await provider.call('serve', { url, tokens: TOKENS, ttftMs: 20, tokenIntervalMs: 20 });
    await entry.call('whenLinked', serving);
    const firstByteMs: number[] = [];
    const rivalMs: number[] = [];
    let exact = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      signal.throwIfAborted();
      if (round % 10 === 1) progress(`round ${round} of ${ROUNDS}`);
      const lost = await readAndLose(url, serving.model);
      const resumed = await readOn(url + lost.path, lost.lastId);
      const again = await readOn(url + lost.path, 0);
      firstByteMs.push(resumed.firstByteMs);
      if (lost.text + resumed.text === again.text && again.text.includes('[DONE]')) exact += 1;
      rivalMs.push((await readOn(`${url}/healthz`, 0)).firstByteMs);
    }
    const rival = (value: number) => ({ name: 'a request that is answered at once', value });
    return [
      toResult({
        name: `first byte after a lost connection, p50 of ${ROUNDS}`,
        value: percentile(firstByteMs, 50),
        unit: 'ms',
        rival: rival(percentile(rivalMs, 50)),
      }),
      toResult({
        name: `first byte after a lost connection, p99 of ${ROUNDS}`,
        value: percentile(firstByteMs, 99),
        unit: 'ms',
        rival: rival(percentile(rivalMs, 99)),
        target: { of: 'value', bound: 'at most', limit: MOST_MS },
      }),
      toResult({
        name: 'answers that went on byte for byte',
        value: (exact / ROUNDS) * 100,
        unit: '%',
        target: { of: 'value', bound: 'at least', limit: 100 },
      }),
    ];
  },
};

/** Whole events only, as a client counts them; what came of a further one was lost with the connection. */
async function readAndLose(url: string, model: string) {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Count.' }] });
  const headers = { 'content-type': 'application/json', 'x-tabmesh-resume': '1' };
  const reply = await open(`${url}/v1/chat/completions`, 'POST', headers, body);
  let text = '';
  for await (const chunk of reply.setEncoding('utf8')) {
    text += chunk;
    if (text.split('\n\n').length > EVENTS_BEFORE) break;
  }
  reply.destroy();
  text = text.slice(0, text.lastIndexOf('\n\n') + 2);
  const lastId = Number([...text.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1]);
  return { text, lastId, path: String(reply.headers['x-tabmesh-resume-url']) };
}

async function readOn(url: string, lastId: number) {
  const began = performance.now();
  const reply = await open(url, 'GET', { 'last-event-id': String(lastId) });
  let text = '';
  let firstByteMs = Number.NaN;
  for await (const chunk of reply.setEncoding('utf8')) {
    if (text === '') firstByteMs = performance.now() - began;
    text += chunk;
  }
  return { text, firstByteMs };
}

function open(url: string, method: string, headers: Record<string, string>, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Each on a connection of its own: the one before it is lost.
    const sent = request(url, { method, headers, agent: false }, resolve).on('error', reject);
    sent.end(body);
  });
}
