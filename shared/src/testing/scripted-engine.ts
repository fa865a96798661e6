/**
 * An engine without a model: what it answers follows from the prompt alone, when it answers from the injected clock
 * alone. Tests of everything above the engine port use it; it passes the same contract as the real engines, and its
 * scenarios are the ways in which real ones go wrong.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { StopScanner } from '../engine-kit/stop-scanner.ts';
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embeddings, Engine, EngineEvent, EngineModel, GenerationRequest } from '../ports/engine.ts';
import type { ModelFeature } from '../protocol/announcement.ts';
import { ModelId } from '../protocol/ids.ts';
import type { ChatMessage, TokenLogprob } from '../protocol/messages.ts';
import { classIdOf } from '../protocol/model-class.ts';
import { jsonWords, scriptedLogprob, scriptedVector, steeredWords } from './scripted-extras.ts';

/**
 * `slow`: misses every SLA. `silent`: takes the job and never sends a token. `wrong-output`: claims the class of
 * `steady` and answers something else. `dies-midway`: fails in the middle of its first answer and is lost for good.
 */
export type EngineScenario = 'steady' | 'slow' | 'silent' | 'wrong-output' | 'dies-midway';

export interface ScriptedEngineOptions {
  readonly clock: Clock;
  readonly scenario: EngineScenario;
  /** Engines of one id are of one class. Default 'scripted-model'. */
  readonly id?: string | undefined;
  /** Default 2. More answers at once are a fault of the caller and throw a plain `Error`. */
  readonly slots?: number | undefined;
  /** Default 1024. A token of the prompt is a word; each message costs one more. */
  readonly contextTokens?: number | undefined;
  /** Length of every answer that nothing cuts short. Default 24. */
  readonly tokens?: number | undefined;
  /** Tokens of them that are thoughts, behind one and in front of another that is a marker. Default 0: no thoughts. */
  readonly thoughts?: number | undefined;
  /** Default 10, `slow` 500. */
  readonly tokenIntervalMs?: number | undefined;
  /** Default 20, `slow` 5000. */
  readonly ttftMs?: number | undefined;
  /** Default 'seed' and 'continue'. It can do all of them. */
  readonly features?: readonly ModelFeature[] | undefined;
}

export interface ScriptedEngine extends Engine {
  /** Answers that hold a slot now. */
  running(): number;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly GenerationRequest[];
}

export function createScriptedEngine(options: ScriptedEngineOptions): ScriptedEngine {
  const { clock, scenario } = options;
  const slow = scenario === 'slow';
  const ttftMs = options.ttftMs ?? (slow ? 5_000 : 20);
  const tokenIntervalMs = options.tokenIntervalMs ?? (slow ? 500 : 10);
  const answerTokens = options.tokens ?? 24;
  const thoughts = options.thoughts ?? 0;
  const model = scriptedModel(options);
  const requests: GenerationRequest[] = [];
  const prompts = new PromptCache();
  const lostListeners = new Set<(error: Error) => void>();
  const closing = new AbortController();
  let lost: MeshError | undefined;
  let running = 0;

  async function* answer(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const promptTokens = countPromptTokens(request.messages);
    const begun = request.continues?.tokenCount ?? 0;
    if (promptTokens + begun >= model.contextTokens)
      throw MeshError.contextLengthExceeded(promptTokens + begun, model.contextTokens);
    const usage = {
      promptTokens,
      cachedTokens: prompts.take(request.messages),
    };
    const room = Math.min(request.maxTokens, model.contextTokens - promptTokens - begun);
    const words = answerWords(request, requests.length, answerTokens, scenario === 'wrong-output').slice(begun);

    const scanner = new StopScanner(request.stop);
    let completionTokens = 0;
    let stopped = false;
    // Tokens leave together with the last of their text: none of it may wait in the scanner without them.
    let held: Held = NOTHING_HELD;

    if (scenario === 'silent') await untilAborted(signal);
    const thinks = thoughts > 0 && request.thinking !== false && request.responseFormat === undefined;
    for (const [index, word] of words.slice(0, room).entries()) {
      await pause(clock, completionTokens === 0 ? ttftMs : tokenIntervalMs, signal);
      if (scenario === 'dies-midway' && completionTokens >= words.length / 2) throw die();
      completionTokens += 1;
      if (thinks && begun + index <= thoughts + 1) {
        yield thoughtOf(word, begun + index, thoughts);
        continue;
      }
      const scanned = scanner.push(word);
      stopped = scanned.stopped;
      held = {
        arrived: held.arrived + word.length,
        text: held.text + scanned.text,
        tokenCount: held.tokenCount + 1,
        logprobs: [...held.logprobs, ...logprobsOf(request, word)],
      };
      if (!stopped && held.text.length < held.arrived) continue;
      yield tokensOf(held);
      held = NOTHING_HELD;
      if (stopped) break;
    }
    if (held.tokenCount > 0) yield tokensOf({ ...held, text: held.text + scanner.flush() });
    const cut = !stopped && room < words.length;
    yield {
      type: 'end',
      reason: cut ? 'length' : 'stop',
      usage: { ...usage, completionTokens },
      ...(scanner.met === undefined ? {} : { stopText: scanner.met }),
    };
  }

  async function embeddings(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings> {
    let promptTokens = 0;
    for (const content of inputs) {
      const tokens = countPromptTokens([{ role: 'user', content }]);
      if (tokens >= model.contextTokens) throw MeshError.contextLengthExceeded(tokens, model.contextTokens);
      promptTokens += tokens;
    }
    await pause(clock, ttftMs, signal);
    return { vectors: inputs.map(scriptedVector), promptTokens };
  }

  /** Holds a slot while it is used. */
  function takeSlot(signal: AbortSignal): { readonly stopped: AbortSignal; free(): void } {
    if (closing.signal.aborted) throw MeshError.closed('engine');
    if (lost) throw lost;
    if (running >= model.slots) throw new Error(`The engine has ${model.slots} slots, and all of them are taken.`);
    const stopped = AbortSignal.any([signal, closing.signal]);
    running += 1;
    return {
      stopped,
      free: () => {
        running -= 1;
      },
    };
  }

  function die(): MeshError {
    lost = MeshError.engineFailed('the scripted engine died midway');
    for (const listener of lostListeners) listener(lost);
    lostListeners.clear();
    return lost;
  }

  return {
    model,
    requests,
    running: () => running,
    async *generate(request, signal) {
      const slot = takeSlot(signal);
      requests.push(request);
      try {
        if (slot.stopped.aborted) throw MeshError.cancelled();
        yield* answer(request, slot.stopped);
      } finally {
        slot.free();
      }
    },
    async embed(inputs, signal) {
      const slot = takeSlot(signal);
      try {
        return await embeddings(inputs, slot.stopped);
      } finally {
        slot.free();
      }
    },
    onLost(listener) {
      lostListeners.add(listener);
      return () => lostListeners.delete(listener);
    },
    close() {
      closing.abort();
      lostListeners.clear();
      return Promise.resolve();
    },
  };
}

function scriptedModel(options: ScriptedEngineOptions): EngineModel {
  const id = options.id ?? 'scripted-model';
  return {
    id: ModelId.parse(id),
    classId: classIdOf({
      weightsSha256: bytesToHex(sha256(utf8ToBytes(id))),
      quantization: '',
      family: 'scripted',
      templateSha256: '',
    }),
    family: 'scripted',
    backend: 'scripted',
    contextTokens: options.contextTokens ?? 1024,
    slots: options.slots ?? 2,
    sizeBytes: 1_000_000,
    features: options.features ?? ['seed', 'continue'],
  };
}

/** The second one takes two tokens, as real tokenizers split rare characters: its first token has no text yet. */
const WORDS: readonly (readonly string[])[] = [
  ['the'],
  ['', '🧭'],
  ['mesh'],
  ['naïve'],
  ['router'],
  ['知る'],
  ['measures'],
  ['every'],
  ['tab'],
  ['it'],
  ['finds'],
  ['and'],
];

/** An id is a place in it. */
const VOCABULARY = WORDS.map((word) => ` ${word.join('')}`);

interface Held {
  readonly arrived: number;
  readonly text: string;
  readonly tokenCount: number;
  readonly logprobs: readonly TokenLogprob[];
}

const NOTHING_HELD: Held = { arrived: 0, text: '', tokenCount: 0, logprobs: [] };

function thoughtOf(word: string, index: number, thoughts: number): EngineEvent {
  const tokens = { type: 'tokens', tokenCount: 1, thought: true } as const;
  if (index === 0) return { ...tokens, text: '', written: '<think>\n' };
  return index <= thoughts ? { ...tokens, text: word } : { ...tokens, text: '', written: '\n</think>\n\n' };
}

function tokensOf({ text, tokenCount, logprobs }: Held): EngineEvent {
  return { type: 'tokens', text, tokenCount, ...(logprobs.length === 0 ? {} : { logprobs }) };
}

function logprobsOf({ topLogprobs }: GenerationRequest, word: string): TokenLogprob[] {
  return topLogprobs === undefined ? [] : [scriptedLogprob(word, topLogprobs)];
}

function answerWords(request: GenerationRequest, serial: number, count: number, wrong: boolean): string[] {
  const { messages, temperature, seed, responseFormat } = request;
  if (responseFormat !== undefined) return jsonWords(responseFormat);
  const draw = temperature === 0 ? 'greedy' : (seed ?? `drawn ${serial}`);
  const bytes = sha256(utf8ToBytes(JSON.stringify([messages, draw, wrong])));
  const texts: string[] = [];
  for (let index = 0; texts.length < count; index += 1) {
    const word = WORDS[((bytes[index % bytes.length] ?? 0) + index) % WORDS.length] ?? ['the'];
    // The first token has a text, and no answer ends inside a character.
    if (word.length > 1 && (index === 0 || texts.length + word.length > count)) texts.push(' tokens');
    else texts.push(...word.map((part) => (part === '' ? '' : ` ${part}`)));
  }
  return steeredWords(texts, request, VOCABULARY);
}

function countPromptTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + 1 + (content.match(/\S+/g)?.length ?? 0), 0);
}

/** Remembers the last prompts, as a real engine keeps their prefixes in its slots. */
class PromptCache {
  static readonly #CAPACITY = 16;
  readonly #prompts: (readonly ChatMessage[])[] = [];

  /** Tokens of the longest remembered prefix; then remembers `messages`. */
  take(messages: readonly ChatMessage[]): number {
    const best = this.#prompts.reduce((most, prompt) => Math.max(most, sharedTokens(prompt, messages)), 0);
    this.#prompts.push(messages);
    if (this.#prompts.length > PromptCache.#CAPACITY) this.#prompts.shift();
    return best;
  }
}

function sharedTokens(left: readonly ChatMessage[], right: readonly ChatMessage[]): number {
  const differs = left.findIndex((message, index) => {
    const other = right[index];
    return other === undefined || other.role !== message.role || other.content !== message.content;
  });
  return countPromptTokens(differs === -1 ? left : left.slice(0, differs));
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(MeshError.cancelled());
    const stop = () => {
      cancel();
      reject(MeshError.cancelled());
    };
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    signal.addEventListener('abort', stop, { once: true });
  });
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(MeshError.cancelled());
    signal.addEventListener('abort', () => reject(MeshError.cancelled()), {
      once: true,
    });
  });
}
