/**
 * How long a provider's slot stays taken after the one who asked has gone, in every way to go. The provider runs llama.cpp
 * on an answer that would last minutes; its own process tells when the engine has let go.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { openChat } from '../setup/chat-page.ts';
import type { AskerCalls } from './peers/asker-process.ts';
import { type Serving, whenLinked } from './peers/bench-mesh.ts';
import type { EntryCalls } from './peers/entry-process.ts';
import { joinFromNode } from './peers/node-mesh.ts';
import { machineMs } from './peers/one-clock.ts';
import { longPrompt } from './peers/prefill-pauses.ts';
import type { WatchedProviderCalls } from './peers/watched-provider-process.ts';
import { randomModel } from './random-model/random-model.ts';
import { type BenchContext, type Benchmark, type Result, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { percentile } from './run/statistics.ts';
import { launchChromium } from './run/tabs.ts';

const SLOTS = 4;
const CONTEXT_TOKENS = 4_096;
const PROMPT = 'Tell me a story about a fox.';
const MOST_MS = 250;
const FEWEST_FOR_P99 = 30;
/** How long a link waits for a word of a peer that only the silence tells of (LK7). */
const MOST_SILENT_MS = 7_500;

/** One way to go: asks, waits until it is answered, and says when it went. */
interface Leaving {
  readonly name: string;
  readonly times: number;
  readonly mostMs: number;
  /** Resolves with the moment of going, on the machine's clock, and what is left to tidy up. */
  go(): Promise<{ readonly atMs: number; tidy?(): Promise<void> }>;
}

interface Scene {
  readonly context: BenchContext;
  readonly url: string;
  readonly serving: Serving;
  readonly provider: Child<WatchedProviderCalls>;
}

export const benchmark: Benchmark = {
  name: 'cancel',
  describe: 'how long a slot stays taken after a stop, a closed connection, a closed tab, a killed process',
  async run(context) {
    const scene = await setScene(context);
    const ways = [...(await stops(scene)), ...connections(scene), await closedTab(scene), ...lostAskers(scene)];
    const results: Result[] = [];
    for (const way of ways) results.push(...(await measure(scene, way)));
    return results;
  },
};

async function setScene(context: BenchContext): Promise<Scene> {
  const { root, children, progress, onEnd } = context;
  const process = (file: string) => new URL(`./peers/${file}`, import.meta.url);
  progress('building the web app, and writing a random model, unless they are there');
  await ensureWebBuilt(root);
  const file = randomModel(join(root, 'shared/models/mesh-tiny.gguf'));
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-cancel-'));
  onEnd(() => rm(folder, { recursive: true }));
  const entry = await children.start<EntryCalls>(process('entry-process.ts'));
  const ledgerPath = join(folder, 'ledger.sqlite');
  const { url } = await entry.call('start', { ledgerPath, webRoot: join(root, 'client/dist') });
  const provider = await children.start<WatchedProviderCalls>(process('watched-provider-process.ts'));
  const serving = await provider.call('serve', { url, file, slots: SLOTS, contextTokens: CONTEXT_TOKENS });
  await entry.call('whenLinked', serving);
  return { context, url, serving, provider };
}

async function measure({ context, provider }: Scene, { name, times, mostMs, go }: Leaving): Promise<Result[]> {
  const tookMs: number[] = [];
  for (let time = 1; time <= times; time += 1) {
    context.signal.throwIfAborted();
    if (time % 10 === 1) context.progress(`${name}, ${time} of ${times}`);
    const { atMs, tidy } = await go();
    tookMs.push((await provider.call('whenFree', undefined)) - atMs);
    await tidy?.();
  }
  const figure = (which: string, value: number) =>
    toResult({
      name: `${name}: slot free, ${which} of ${times}`,
      value,
      unit: 'ms',
      target: { of: 'value', bound: 'at most', limit: mostMs },
    });
  return [
    figure('p50', percentile(tookMs, 50)),
    ...(times < FEWEST_FOR_P99 ? [] : [figure('p99', percentile(tookMs, 99))]),
    figure('longest', Math.max(...tookMs)),
  ];
}

/** The stop button and `AbortSignal`s: behind some tokens, and while the prompt is still being read. */
async function stops({ context, url, serving, provider }: Scene): Promise<Leaving[]> {
  const mesh = joinFromNode(url, 'tab');
  context.onEnd(() => mesh.close());
  await whenLinked(mesh, serving, context.signal);
  const stopWhen = async (content: string, isTime: (answer: Promise<void>) => Promise<unknown>) => {
    const stop = new AbortController();
    const request = { model: serving.model, messages: [{ role: 'user' as const, content }] };
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const reading = (async () => {
      for await (const event of mesh.complete(request, stop.signal)) if (event.type === 'tokens') begin();
    })();
    await Promise.race([isTime(begun), reading]);
    const atMs = machineMs();
    stop.abort();
    await reading.catch(() => {});
    return { atMs };
  };
  let prompts = 0;
  const nextPrompt = () => {
    prompts += 1;
    return longPrompt(`Prompt ${prompts}`, CONTEXT_TOKENS / 2);
  };
  const whenTaken = () => provider.call('whenTaken', undefined);
  return [
    { name: 'stop', times: 30, mostMs: MOST_MS, go: () => stopWhen(PROMPT, (begun) => begun) },
    { name: 'stop while the prompt is read', times: 10, mostMs: MOST_MS, go: () => stopWhen(nextPrompt(), whenTaken) },
  ];
}

/** A client of the entry's API closes its connection: in the middle of a stream, and while it waits for a whole answer. */
function connections({ url, serving, provider }: Scene): Leaving[] {
  const post = (stream: boolean, signal: AbortSignal) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: serving.model, stream, messages: [{ role: 'user', content: PROMPT }] }),
      signal,
    });
  return [
    {
      name: 'closed connection, streamed',
      times: 30,
      mostMs: MOST_MS,
      async go() {
        const close = new AbortController();
        const response = await post(true, close.signal);
        if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
        await provider.call('whenTaken', undefined);
        const atMs = machineMs();
        close.abort();
        return { atMs };
      },
    },
    {
      name: 'closed connection, in one piece',
      times: 30,
      mostMs: MOST_MS,
      async go() {
        const close = new AbortController();
        const response = post(false, close.signal).catch(() => undefined);
        await provider.call('whenTaken', undefined);
        const atMs = machineMs();
        close.abort();
        await response;
        return { atMs };
      },
    },
  ];
}

/** The web app itself, each time in a profile of its own. */
async function closedTab({ context, url, provider }: Scene): Promise<Leaving> {
  const browser = await launchChromium(context.root);
  context.onEnd(() => browser.close());
  return {
    name: 'closed tab',
    times: 10,
    mostMs: MOST_MS,
    async go() {
      const profile = await browser.newContext();
      const page = await profile.newPage();
      await openChat(page, url);
      const box = page.getByRole('textbox', { name: 'Message' });
      await box.fill(PROMPT);
      await box.press('Enter');
      await provider.call('whenTaken', undefined);
      const atMs = machineMs();
      await page.close();
      return { atMs, tidy: () => profile.close() };
    },
  };
}

/** Processes that end without a word, and one that is still there but says nothing any more. */
function lostAskers({ context, url, serving }: Scene): Leaving[] {
  const lose = (how: 'SIGKILL' | 'SIGSTOP') => async () => {
    const asker = await context.children.start<AskerCalls>(new URL('./peers/asker-process.ts', import.meta.url));
    await asker.call('ask', { url, serving, prompt: PROMPT });
    const atMs = machineMs();
    process.kill(asker.pid, how);
    return { atMs, tidy: () => asker.kill() };
  };
  return [
    { name: 'killed process', times: 30, mostMs: MOST_MS, go: lose('SIGKILL') },
    { name: 'frozen process', times: 3, mostMs: MOST_SILENT_MS, go: lose('SIGSTOP') },
  ];
}
