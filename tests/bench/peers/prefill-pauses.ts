/** What running answers and short questions wait while a long prompt is read beside them, asked from outside the provider. */
import { setTimeout } from 'node:timers/promises';
import type { Mesh, ModelId } from '@tabmesh/shared';
import { storyPrompts } from './timed-answers.ts';

export interface PrefillTimes {
  /** Of the long prompt, by the provider's count. */
  readonly promptTokens: number;
  /** The longest pause between two tokens of one of the answers while the long prompt is read, and while none is. */
  readonly pauseMs: number;
  readonly calmPauseMs: number;
  /** To the first token behind the long prompt: beside the answers, and with nothing else to do. */
  readonly besideMs: number;
  readonly aloneMs: number;
  /** To the first token behind a short prompt that comes while the long one is read, and while only the answers run. */
  readonly shortMs: number;
  readonly calmShortMs: number;
  /** The same for a short prompt that comes while the long one is read alone. */
  readonly shortBesideAloneMs: number;
}

/** Tokens of every answer before anything is measured, and while nothing disturbs them. */
const FIRST_TOKENS = 8;
const CALM_TOKENS = 32;
/** Tokens of every answer since the long prompt was sent: it is being read. */
const TOKENS_INTO_PREFILL = 4;
const ENDLESS_TOKENS = 2_000;
/** By then the provider has begun to read a prompt. */
const UNDER_WAY_MS = 100;

/**
 * `round` keeps prompts apart: none may find another's prefix. The long ones come first, because an asker takes a peer for
 * lost whose first token is much later than it ever was.
 */
export async function prefillPauses(
  mesh: Mesh,
  model: ModelId,
  { round, longTokens }: { readonly round: number; readonly longTokens: number },
  signal: AbortSignal,
): Promise<PrefillTimes> {
  const ask = (prompt: string) => firstToken(mesh, model, prompt, signal);
  const alone = await ask(longPrompt(`${round} alone`, longTokens));
  const again = ask(longPrompt(`${round} once more`, longTokens));
  await setTimeout(UNDER_WAY_MS);
  const shortBesideAlone = await ask(`${round} two: What is a mesh?`);
  await again;

  const stop = new AbortController();
  const answers = storyPrompts(4).map(
    (prompt) => new WatchedAnswer(mesh, model, prompt, AbortSignal.any([signal, stop.signal])),
  );
  const all = (tokens: number) => Promise.all(answers.map((answer) => answer.more(tokens)));
  const longestPause = (fromMs: number) => Math.max(...answers.map((answer) => answer.longestPause(fromMs)));

  await all(FIRST_TOKENS);
  let fromMs = performance.now();
  const calmShort = await ask(`${round} calm: What is a mesh?`);
  await all(CALM_TOKENS);
  const calmPauseMs = longestPause(fromMs);

  fromMs = performance.now();
  const long = ask(longPrompt(`${round} beside`, longTokens));
  await all(TOKENS_INTO_PREFILL);
  const short = await ask(`${round} busy: What is a mesh?`);
  const beside = await long;
  await all(1);
  const pauseMs = longestPause(fromMs);
  stop.abort();
  await Promise.all(answers.map((answer) => answer.ended));

  return {
    promptTokens: alone.promptTokens,
    pauseMs,
    calmPauseMs,
    besideMs: beside.ttftMs,
    aloneMs: alone.ttftMs,
    shortMs: short.ttftMs,
    calmShortMs: calmShort.ttftMs,
    shortBesideAloneMs: shortBesideAlone.ttftMs,
  };
}

/** At least so many tokens of mesh-tiny's vocabulary, none of which is the beginning of another such prompt. */
export function longPrompt(name: string, tokens: number): string {
  return `${name}: ${'a story about a fox '.repeat(Math.ceil(tokens / 5))}`;
}

async function firstToken(mesh: Mesh, model: ModelId, content: string, signal: AbortSignal) {
  const request = { model, messages: [{ role: 'user' as const, content }], maxTokens: 1, temperature: 0 };
  for await (const event of mesh.complete(request, signal)) {
    if (event.type === 'end') return { ttftMs: event.ttftMs, promptTokens: event.usage.promptTokens };
  }
  throw new Error('The answer has no end.');
}

/** An answer that runs until it is stopped, and when its tokens came. */
class WatchedAnswer {
  readonly ended: Promise<void>;
  readonly #arrivalsMs: number[] = [];
  #waiting: (() => void) | undefined;

  constructor(mesh: Mesh, model: ModelId, content: string, signal: AbortSignal) {
    const request = {
      model,
      messages: [{ role: 'user' as const, content }],
      maxTokens: ENDLESS_TOKENS,
      temperature: 0,
    };
    this.ended = this.#read(mesh.complete(request, signal), signal);
  }

  /** Resolves when so many more have come; one wait at a time. Rejects when the answer ends before. */
  async more(tokens: number): Promise<void> {
    const wanted = this.#arrivalsMs.length + tokens;
    const came = async () => {
      while (this.#arrivalsMs.length < wanted) await new Promise<void>((resolve) => (this.#waiting = resolve));
    };
    await Promise.race([came(), this.ended.then(() => Promise.reject(new Error('An answer ended too early.')))]);
  }

  longestPause(fromMs: number): number {
    let longest = 0;
    this.#arrivalsMs.forEach((arrivalMs, index) => {
      const before = this.#arrivalsMs[index - 1];
      if (before !== undefined && arrivalMs >= fromMs) longest = Math.max(longest, arrivalMs - before);
    });
    return longest;
  }

  async #read(events: ReturnType<Mesh['complete']>, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of events) {
        if (event.type !== 'tokens') continue;
        this.#arrivalsMs.push(performance.now());
        this.#waiting?.();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
