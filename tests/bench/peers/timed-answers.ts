/** Answers under the stopwatch, the same way whether they come from an engine or through the mesh. Runs in Node and in tabs. */
import type { Engine, Mesh, ModelId } from '@tabmesh/shared';

/** `prompts.length` answers at a time, `waves` times in a row. */
export interface Workload {
  readonly prompts: readonly string[];
  readonly waves: number;
  readonly maxTokens: number;
  /** Of each side; many short rounds unless one takes seconds. */
  readonly rounds?: number;
}

export interface AnswerTimes {
  /** Of all answers together, from the first token of a wave to its last. */
  readonly tokensPerSecond: number;
  readonly ttftMs: readonly number[];
}

export function timeEngine(engine: Engine, workload: Workload): Promise<AnswerTimes> {
  const { signal } = new AbortController();
  return timeAnswers(workload, (content, maxTokens) =>
    engine.generate({ messages: [{ role: 'user', content }], maxTokens, temperature: 0, topP: 1, stop: [] }, signal),
  );
}

export function timeMesh(mesh: Mesh, model: ModelId, workload: Workload, signal: AbortSignal): Promise<AnswerTimes> {
  return timeAnswers(workload, (content, maxTokens) =>
    mesh.complete({ model, messages: [{ role: 'user', content }], maxTokens, temperature: 0 }, signal),
  );
}

/** Different ones, so that each slot keeps a prefix of its own. mesh-tiny's answers to them have some 60 tokens. */
export function storyPrompts(count: 1 | 4 | 8): string[] {
  return ['fox', 'mouse', 'cat', 'bird', 'dog', 'bear', 'frog', 'wolf']
    .slice(0, count)
    .map((animal) => `Tell me a story about a ${animal}.`);
}

type AnswerEvents = AsyncIterable<{ readonly type: string; readonly tokenCount?: number }>;

async function timeAnswers(
  { prompts, waves, maxTokens }: Workload,
  ask: (prompt: string, maxTokens: number) => AnswerEvents,
): Promise<AnswerTimes> {
  let windowMs = 0;
  let tokens = 0;
  const ttftMs: number[] = [];
  for (let wave = 0; wave < waves; wave += 1) {
    const answers = await Promise.all(prompts.map((prompt) => timeOne(() => ask(prompt, maxTokens))));
    windowMs += Math.max(...answers.map((one) => one.lastMs)) - Math.min(...answers.map((one) => one.firstMs));
    for (const answer of answers) {
      tokens += answer.tokens;
      ttftMs.push(answer.firstMs - answer.startMs);
    }
  }
  return { tokensPerSecond: ((tokens - waves * prompts.length) * 1000) / windowMs, ttftMs };
}

async function timeOne(ask: () => AnswerEvents) {
  const startMs = performance.now();
  let firstMs = 0;
  let lastMs = 0;
  let tokens = 0;
  for await (const event of ask()) {
    if (event.type !== 'tokens') continue;
    lastMs = performance.now();
    if (tokens === 0) firstMs = lastMs;
    tokens += event.tokenCount ?? 0;
  }
  return { startMs, firstMs, lastMs, tokens };
}
