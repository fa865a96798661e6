/**
 * What telling thoughts from the answer costs a token, beside the same engine kit without it: stop strings alone, every token
 * handed on. At 1,000 tokens a second a token has a millisecond, of which this is the share.
 */
import { AnswerText, type EngineEvent, StopScanner } from '@tabmesh/shared';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { type Benchmark, type Result, toResult } from './run/benchmark.ts';
import { inTurn, median } from './run/statistics.ts';

const TOKENS = 20_000;
const ROUNDS = 15;
const WARM_UPS = 5;
const TOKEN_US = 1_000;
const RIVAL = 'stop strings alone';
const WORDS = [
  'the',
  'if x < y',
  'so',
  ' ',
  '\n',
  '\n\n',
  'a < b',
  '</',
  'think',
  '>',
  '<',
  'hence',
  '.',
  ' wait,',
  '3',
];

/** By what the answer is made of; the last words of each are the same. */
const ANSWERS: readonly { readonly name: string; readonly thoughts: number; readonly stops: readonly string[] }[] = [
  { name: 'a token of a thought', thoughts: 1, stops: [] },
  { name: 'a token of an answer behind thoughts', thoughts: 0.05, stops: [] },
  { name: 'a token of an answer without any', thoughts: 0, stops: [] },
  { name: 'a token of a thought, with stop strings', thoughts: 1, stops: ['\n\nUser:', '<|im_end|>', 'END'] },
];

export const benchmark: Benchmark = {
  name: 'reasoning',
  describe: 'what telling thoughts from the answer costs a token, of the millisecond that it has at 1,000 tok/s',
  async run({ signal, progress }) {
    const results: Result[] = [];
    for (const { name, thoughts, stops } of ANSWERS) {
      progress(name);
      const tokens = tokensOf(thoughts);
      const { ours, rivals } = await inTurn({
        rounds: ROUNDS,
        warmUps: WARM_UPS,
        signal,
        ours: () => microsecondsEach(tokens, (emit) => new AnswerText(stops, emit)),
        rivals: () => microsecondsEach(tokens, (emit) => new StopsAlone(stops, emit)),
      });
      const addedUs = median(ours.map((round, index) => round - (rivals[index] ?? 0)));
      results.push(
        toResult({ name, value: median(ours), unit: 'µs', rival: { name: RIVAL, value: median(rivals) } }),
        toResult({
          name: `${name}: what it adds to a decode at 1,000 tok/s`,
          value: (Math.max(0, addedUs) / TOKEN_US) * 100,
          unit: '%',
          target: { of: 'value', bound: 'at most', limit: 1 },
        }),
      );
    }
    return results;
  },
};

function tokensOf(thoughts: number): string[] {
  const random = createSeededRandom(7);
  const word = () => WORDS[Math.floor(random.float() * WORDS.length)] ?? 'the';
  const count = Math.floor(TOKENS * thoughts);
  // No end within: what looks like one is cut by a letter.
  const thought = Array.from({ length: count }, () => (random.float() < 0.7 ? ` ${word()}` : word()))
    .join('\u0000')
    .replaceAll('</\u0000think\u0000>', '</\u0000thinks\u0000>')
    .split('\u0000')
    .slice(0, count);
  const answer = Array.from({ length: TOKENS - count }, () => ` ${word()}`);
  if (count === 0) return answer;
  return ['<think>', '\n', ...thought, ...(answer.length === 0 ? [] : ['</think>', '\n\n', ...answer])];
}

interface Kit {
  push(text: string, tokenCount: number): void;
  end(tokenCount: number): void;
}

function microsecondsEach(tokens: readonly string[], kit: (emit: (event: EngineEvent) => void) => Kit): number {
  let events = 0;
  const text = kit(() => {
    events += 1;
  });
  const startMs = performance.now();
  for (const token of tokens) text.push(token, 1);
  text.end(tokens.length);
  const tookMs = performance.now() - startMs;
  if (events === 0) throw new Error('Nothing was given out.');
  return (tookMs * 1_000) / tokens.length;
}

/** The kit as it would be without thoughts: a text leaves in whole tokens, before the first stop string. */
class StopsAlone implements Kit {
  readonly #scanner: StopScanner;
  readonly #emit: (event: EngineEvent) => void;
  #text = '';
  #arrived = 0;
  #tokens = 0;

  constructor(stops: readonly string[], emit: (event: EngineEvent) => void) {
    this.#scanner = new StopScanner(stops);
    this.#emit = emit;
  }

  push(arrived: string, tokenCount: number): void {
    const { text } = this.#scanner.push(arrived);
    this.#text += text;
    this.#arrived += arrived.length;
    this.#tokens += tokenCount;
    if (this.#text.length === this.#arrived) this.#release();
  }

  end(): void {
    this.#text += this.#scanner.flush();
    this.#release();
  }

  #release(): void {
    if (this.#tokens === 0) return;
    this.#emit({ type: 'tokens', text: this.#text, tokenCount: this.#tokens });
    this.#text = '';
    this.#arrived = 0;
    this.#tokens = 0;
  }
}
