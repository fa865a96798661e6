/** One model file on both sides: an answer that a tab began and a native peer ends, and the other way round. */
import { join } from 'node:path';
import type { AnswerBeginning, Engine, GenerationRequest } from '@tabmesh/shared';
import type { Browser, Page } from 'playwright';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../setup/command.ts';
import { inPage, launchChromium, openEnginePage } from './engine-page/engine-page.ts';
import { type EnginePageServer, serveEnginePage } from './engine-page/serve-engine-page.ts';

const PROMPTS = [
  'Tell me a little story about a fox.',
  'What is the mesh?',
  'What does the router measure?',
  'Who can read what I write here?',
  'Why do models have fingerprints?',
  "I want to lend my laptop's GPU, how do I begin?",
  'In one sentence, explain how the mesh works.',
  'What is the capital of France?',
];
/** Natural logarithms: two tokens whose chances are that close are a matter of rounding. */
const NEAR_TIE = 0.2;

type Generate = (request: GenerationRequest) => Promise<{ readonly pieces: readonly AnswerBeginning[] }>;

let server: EnginePageServer;
let browser: Browser;
let page: Page;
let native: Engine;
let tab: Generate;

beforeAll(async () => {
  server = await serveEnginePage();
  browser = await launchChromium();
  page = await openEnginePage(browser, server.url);
  const source = { kind: 'gguf-url' as const, id: 'mesh-tiny', url: `${server.url}/models/mesh-tiny.gguf` };
  expect((await inPage(page, 'load', source)).failure).toBeUndefined();
  native = await loadLlamaEngine({
    file: join(root, 'shared/models/mesh-tiny.gguf'),
    slots: 1,
    threads: 1,
    gpu: 'off',
  });
  tab = async (request) => {
    const { pieces, failure } = await inPage(page, 'generate', request);
    expect(failure).toBeUndefined();
    return { pieces };
  };
}, 120_000);

afterAll(async () => {
  await native?.close();
  await browser?.close();
  await server?.close();
});

const nativeGenerate: Generate = async (request) => {
  const pieces: AnswerBeginning[] = [];
  for await (const event of native.generate(request, new AbortController().signal)) {
    if (event.type === 'tokens') pieces.push(event);
  }
  return { pieces };
};

const ask = (content: string, continues?: AnswerBeginning): GenerationRequest => ({
  messages: [{ role: 'user', content }],
  maxTokens: 60,
  temperature: 0,
  topP: 1,
  stop: [],
  ...(continues === undefined ? {} : { continues, maxTokens: 60 - continues.tokenCount }),
});

const textOf = (pieces: readonly AnswerBeginning[]) => pieces.map(({ text }) => text).join('');

/** The beginnings after a quarter, half and three quarters of the tokens. */
function cuts(pieces: readonly AnswerBeginning[]): AnswerBeginning[] {
  return [0.25, 0.5, 0.75].map((share) => {
    const begun = pieces.slice(0, Math.max(1, Math.floor(pieces.length * share)));
    return { text: textOf(begun), tokenCount: begun.reduce((sum, { tokenCount }) => sum + tokenCount, 0) };
  });
}

/** How much likelier the first token was than the second where two answers part, by the native engine's own account. */
async function marginAt(content: string, same: string, tokenCount: number): Promise<number> {
  const request = { ...ask(content, { text: same, tokenCount }), maxTokens: 1, topLogprobs: 2 };
  for await (const event of native.generate(request, new AbortController().signal)) {
    if (event.type !== 'tokens') continue;
    const [first, second] = event.logprobs?.[0]?.top ?? [];
    return (first?.logprob ?? 0) - (second?.logprob ?? Number.NEGATIVE_INFINITY);
  }
  return Number.POSITIVE_INFINITY;
}

describe.each([
  ['a native peer began and a tab ends', () => [nativeGenerate, tab] as const],
  ['a tab began and a native peer ends', () => [tab, nativeGenerate] as const],
])('an answer that %s', (_, sides) => {
  it('FO13: is the undisturbed one in 95 of 100 cases, and parts at a near-tie otherwise', {
    timeout: 180_000,
  }, async () => {
    const [begins, ends] = sides();
    let cases = 0;
    const parted: { readonly prompt: string; readonly margin: number }[] = [];
    for (const prompt of PROMPTS) {
      const whole = (await begins(ask(prompt))).pieces;
      for (const begun of cuts(whole)) {
        cases += 1;
        const rest = (await ends(ask(prompt, begun))).pieces;
        if (begun.text + textOf(rest) === textOf(whole)) continue;
        parted.push({ prompt, margin: await marginWherePart(prompt, begun, whole, rest) });
      }
    }
    expect(cases).toBe(PROMPTS.length * 3);
    expect(parted.filter(({ margin }) => margin > NEAR_TIE)).toEqual([]);
    expect(parted.length / cases).toBeLessThanOrEqual(0.05);
  });
});

async function marginWherePart(
  prompt: string,
  begun: AnswerBeginning,
  whole: readonly AnswerBeginning[],
  rest: readonly AnswerBeginning[],
): Promise<number> {
  let { text: same, tokenCount } = begun;
  for (const piece of rest) {
    if (!textOf(whole).startsWith(same + piece.text)) break;
    same += piece.text;
    tokenCount += piece.tokenCount;
  }
  return marginAt(prompt, same, tokenCount);
}
