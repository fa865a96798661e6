/** Thoughts in the engines of a tab: told apart, whoever writes their marker, and not thought where a grammar begins at once. */
import {
  ClassId,
  type Engine,
  type EngineModel,
  type GenerationRequest,
  ModelId,
  type TokensEvent,
} from '@tabmesh/shared';
import { createChatTemplate } from '@tabmesh/shared/chat-template';
import { ControlTexts } from '@tabmesh/shared/control-texts';
import { describe, expect, it } from 'vitest';
import { createWebllmEngine, type WebllmChunk } from '../src/engines/webllm/webllm-adapter.ts';
import type { WebllmRequest } from '../src/engines/webllm/webllm-request.ts';
import { createWllamaEngine } from '../src/engines/wllama/wllama-adapter.ts';

const SCRIPT = ['<think>', '\n', 'Hm', ',', ' stop.', '\n', '</think>', '\n\n', 'It', ' is', ' two', '.'];
const TURNS = '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]';
const WILLING = `${TURNS}{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}`;
const OPENING = `${TURNS}{{ '<think>\\n' }}`;

const model: EngineModel = {
  id: ModelId.parse('thinker'),
  classId: ClassId.parse('0'.repeat(32)),
  family: 'llama.cpp',
  backend: 'scripted',
  contextTokens: 512,
  slots: 1,
  sizeBytes: 1,
  features: ['continue', 'json'],
};
const question: GenerationRequest = {
  messages: [{ role: 'user', content: 'How many?' }],
  maxTokens: 64,
  temperature: 0,
  topP: 1,
  stop: ['stop'],
};

async function read(engine: Engine, more: Partial<GenerationRequest> = {}) {
  const tokens: TokensEvent[] = [];
  for await (const event of engine.generate({ ...question, ...more }, new AbortController().signal)) {
    if (event.type === 'tokens') tokens.push(event);
  }
  const join = (part: (event: TokensEvent) => string) => tokens.map(part).join('');
  return {
    thought: join((event) => (event.thought ? event.text : '')),
    text: join((event) => (event.thought ? '' : event.text)),
    written: join((event) => event.written ?? event.text),
  };
}

/** Goes on with the script behind whatever of it the prompt ends with. */
function restOf(prompt: string): readonly string[] {
  const said = prompt.slice(prompt.indexOf('[assistant]') + '[assistant]'.length);
  if (said === '<think>\n\n</think>\n\n') return SCRIPT.slice(8);
  for (let given = SCRIPT.length; given >= 0; given -= 1) {
    if (said === SCRIPT.slice(0, given).join('')) return SCRIPT.slice(given);
  }
  throw new Error(`The prompt ends in '${said}'.`);
}

function wllama(source: string) {
  const prompts: string[] = [];
  const engine = createWllamaEngine({
    model,
    template: createChatTemplate(source, { bosText: '', eosText: '' }),
    vocabulary: { size: 99, addsSpace: false, floor: () => 0, control: new ControlTexts(['[user]']) },
    lastNativeError: () => undefined,
    wllama: {
      async createCompletion({ prompt, onData, grammar }: Record<string, unknown> & { onData(chunk: object): void }) {
        prompts.push(String(prompt));
        const words = grammar === undefined ? restOf(String(prompt)) : ['{', '}'];
        const timings = { cache_n: 0, prompt_n: 1 };
        for (const [index, text] of words.entries()) {
          onData({ choices: [{ text, finish_reason: null }], timings: { ...timings, predicted_n: index + 1 } });
        }
        const usage = { prompt_tokens: 1, completion_tokens: words.length + 1 };
        onData({ choices: [{ text: '', finish_reason: 'stop' }], usage });
      },
      createChatCompletion: () => Promise.reject(new Error('not used')),
      createEmbedding: () => Promise.reject(new Error('not used')),
      exit: () => Promise.resolve(),
    } as unknown as Parameters<typeof createWllamaEngine>[0]['wllama'],
  });
  return { engine, prompts };
}

function webllm() {
  const requests: WebllmRequest[] = [];
  async function* chunks(words: readonly string[]): AsyncGenerator<WebllmChunk> {
    for (const content of words) yield { choices: [{ delta: { content }, finish_reason: null }] };
    yield { choices: [], usage: { prompt_tokens: 1, completion_tokens: words.length + 1 } };
  }
  const create = async (request: WebllmRequest) => {
    requests.push(request);
    if ('prompt' in request) return chunks(restOf(request.prompt));
    return chunks(request.extra_body?.enable_thinking === false ? SCRIPT.slice(8) : SCRIPT);
  };
  const engine = createWebllmEngine({
    model: { ...model, family: 'mlc' },
    webllm: {
      chat: { completions: { create } },
      completions: { create },
      resetChat: () => Promise.resolve(),
      interruptGenerate() {},
      unload: () => Promise.resolve(),
    },
    prompts: { write: () => '[user]How many?[assistant]', uncountedTokens: 0 },
    dispose() {},
  });
  return { engine, requests };
}

describe('thoughts in a tab', () => {
  it.each([
    ['wllama, whose model writes the marker', () => wllama(WILLING).engine, SCRIPT],
    ['wllama, whose template opens the thought', () => wllama(OPENING).engine, SCRIPT.slice(2)],
    ['WebLLM', () => webllm().engine, SCRIPT],
  ])('TH29: of %s are told apart, and gone on with from every token', async (_, open, script) => {
    const whole = await read(open());
    expect(whole).toEqual({ thought: 'Hm, stop.', text: 'It is two.', written: script.join('') });
    for (let given = 1; given < script.length; given += 1) {
      const text = script.slice(0, given).join('');
      const rest = await read(open(), { continues: { text, tokenCount: given } });
      expect(text + rest.written).toBe(whole.written);
      expect(whole.thought.endsWith(rest.thought) && whole.text.endsWith(rest.text)).toBe(true);
      expect(rest.text === whole.text).toBe(script.slice(given).includes('It'));
    }
  });

  it('TH30: are not thought where they are not asked for, or where JSON begins at once', async () => {
    expect((await read(wllama(WILLING).engine, { thinking: false })).thought).toBe('');
    for (const source of [WILLING, OPENING]) {
      const { engine, prompts } = wllama(source);
      expect(await read(engine, { responseFormat: { type: 'json_object' } })).toMatchObject({
        thought: '',
        text: '{}',
      });
      expect(prompts[0]).toMatch(/<\/think>\n\n$/);
    }
    const { engine, requests } = webllm();
    expect((await read(engine, { thinking: false })).thought).toBe('');
    expect(requests[0]).toMatchObject({ extra_body: { enable_thinking: false } });
  });

  it('TH30: that came before JSON are gone on with elsewhere', async () => {
    const json = {
      responseFormat: { type: 'json_object' },
      continues: { text: '<think>\nHm', tokenCount: 1 },
    } as const;
    await expect(read(wllama(OPENING).engine, json)).rejects.toMatchObject({ code: 'unsupported' });
  });
});
