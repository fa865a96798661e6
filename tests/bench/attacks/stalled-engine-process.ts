/** A native engine that answers an honest question beside a hostile request, and how long its event loop was held. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Engine, type GenerationRequest, MeshError } from '@tabmesh/shared';
import { loadLlamaEngine } from '../../../native-peer/src/llama/load-llama-engine.ts';
import { answerCalls } from '../run/answer-calls.ts';
import type { StallingRequest } from './stalling-requests.ts';

export interface Stall {
  /** The longest that nothing else could happen. */
  readonly heldMs: number;
  /** The longest that the honest reader waited for a token. */
  readonly gapMs: number;
  /** Until it was refused or had its first token. */
  readonly tookMs: number;
  /** The code of its refusal; empty when it was answered. */
  readonly code: string;
}

export type StalledEngineCalls = {
  load(options: { file: string; slots: number; contextTokens: number }): Promise<void>;
  /** Undefined: the honest question alone. */
  measure(hostile: StallingRequest | undefined): Promise<Stall>;
};

/** Beside which a timer of this many milliseconds is no stall. */
const RESOLUTION_MS = 5;
/** How long the honest question is watched where nothing hostile stands beside it, or is answered at once. */
const WATCH_MS = 500;
const SETTLING_MS = 100;
const PLAIN = { maxTokens: 4_000, temperature: 0, topP: 1, stop: [] };

let engine: Engine;

answerCalls<StalledEngineCalls>({
  async load(options) {
    engine = await loadLlamaEngine({ ...options, gpu: 'off', threads: 1 });
  },
  async measure(hostile) {
    const honest = watchHonest();
    await honest.begun;
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.enable();
    await pause(SETTLING_MS);
    const startedMs = performance.now();
    const code = hostile === undefined ? '' : await refusalOf(hostile);
    const tookMs = performance.now() - startedMs;
    // What was held is told by the first tick behind it.
    await pause(Math.max(SETTLING_MS, WATCH_MS - tookMs));
    delay.disable();
    return { heldMs: delay.max / 1e6, gapMs: await honest.end(), tookMs, code };
  },
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function refusalOf({ messages, more = {}, inputs }: StallingRequest): Promise<string> {
  const stop = new AbortController();
  try {
    if (inputs !== undefined) await engine.embed?.(inputs, stop.signal);
    else for await (const _ of engine.generate(ask({ messages, ...more }), stop.signal)) break;
    return '';
  } catch (error) {
    return MeshError.is(error) ? error.code : String(error);
  }
}

function watchHonest() {
  const stop = new AbortController();
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let gapMs = 0;
  const reading = (async () => {
    // None of mesh-tiny's tokens that end an answer.
    const request = ask({ messages: [{ role: 'user', content: 'Tell me a story.' }], logitBias: { 2: -100, 4: -100 } });
    while (!stop.signal.aborted) {
      let lastMs: number | undefined;
      for await (const _ of engine.generate(request, stop.signal)) {
        begin();
        const nowMs = performance.now();
        gapMs = Math.max(gapMs, nowMs - (lastMs ?? nowMs));
        lastMs = nowMs;
      }
    }
  })().catch(() => {});
  return {
    begun,
    async end() {
      stop.abort();
      await reading;
      return gapMs;
    },
  };
}

function ask(request: Partial<GenerationRequest>): GenerationRequest {
  return { ...PLAIN, messages: [], ...request };
}
