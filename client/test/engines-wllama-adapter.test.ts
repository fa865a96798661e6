import {
  type ChatMessage,
  ClassId,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  ModelId,
} from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { describeEngineContract } from '../../shared/src/testing/describe-engine-contract.ts';
import { createWllamaEngine } from '../src/engines/wllama-adapter.ts';
import { createScriptedWllama, TURN } from './engines-scripted-wllama.ts';

const model: EngineModel = {
  id: ModelId.parse('scripted-gguf'),
  classId: ClassId.parse('0'.repeat(32)),
  family: 'llama.cpp',
  backend: 'wllama · scripted',
  contextTokens: 512,
  slots: 2,
  sizeBytes: 1,
  features: ['seed', 'continue'],
};

const question: GenerationRequest = {
  messages: [{ role: 'user', content: 'What is the mesh?' }],
  maxTokens: 64,
  temperature: 0,
  topP: 1,
  stop: [],
};

describeEngineContract('wllama adapter', () => ({
  engine: start().engine,
  longPrompt: 'Tell me a story.',
  prompts: ['What is the mesh?', 'Who measures?'],
}));

describe('wllama adapter', () => {
  it('EN50: never has more requests than slots in wllama, which would hang', async () => {
    const { engine, wllama } = start();
    const answers = await Promise.all(Array.from({ length: 5 }, () => collect(engine.generate(question, never()))));

    expect(answers.map((events) => events.at(-1)?.type)).toEqual(Array(5).fill('end'));
    expect(wllama.requests).toHaveLength(5);
  });

  it('EN51: only an answer that need not repeat itself reuses a cached prefix', async () => {
    const { engine, wllama } = start();
    await collect(engine.generate(question, never()));
    await collect(engine.generate({ ...question, temperature: 0.7, seed: 3 }, never()));
    await collect(engine.generate({ ...question, temperature: 0.7 }, never()));

    expect(wllama.requests.map(({ cache_prompt }) => cache_prompt)).toEqual([false, false, true]);
  });

  it('EN52: half a character in a message is replaced before llama.cpp sees it', async () => {
    const { engine, wllama } = start();
    const messages = [{ role: 'user' as const, content: `half ${'🧭'.charAt(0)}` }];
    await collect(engine.generate({ ...question, messages }, never()));

    expect(wllama.requests[0]?.messages[0]?.content).toBe('half \ufffd');
  });

  it('EN53: messages that the template refuses are an invalid request with llama.cpp’s reason', async () => {
    const { engine, wllama } = start('roles must alternate');
    wllama.failWith(new Error('Invalid typed array length: 1163217991'));

    await expect(collect(engine.generate(question, never()))).rejects.toMatchObject({
      code: 'invalid_request',
      retryable: false,
      message: expect.stringContaining('roles must alternate'),
    });
  });

  it('EN54: an answer that another request’s exception takes along may be tried elsewhere, and no engine is lost', async () => {
    const { engine, wllama } = start();
    const losses: Error[] = [];
    engine.onLost((error) => losses.push(error));
    const answering = engine.generate(question, never())[Symbol.asyncIterator]();
    await answering.next();
    wllama.failWith(new Error('Invalid typed array length: 1163217991'));

    await expect(drain(answering)).rejects.toMatchObject({ code: 'engine_failed', retryable: true });
    expect(losses).toHaveLength(0);
  });

  it('EN55: an abort inside llama.cpp loses the engine and frees its memory', async () => {
    const { engine, wllama } = start();
    const losses: Error[] = [];
    engine.onLost((error) => losses.push(error));
    wllama.failWith(new Error('(ABORT) Assertion failed'));

    await expect(collect(engine.generate(question, never()))).rejects.toMatchObject({ code: 'engine_failed' });
    expect(losses).toHaveLength(1);
    expect(wllama.exited()).toBe(true);
    await expect(collect(engine.generate(question, never()))).rejects.toBe(losses[0]);
  });
});

function start(nativeError?: string) {
  const wllama = createScriptedWllama(model.slots, model.contextTokens);
  const template = (messages: readonly ChatMessage[]) => `${messages.at(-1)?.content}${TURN}`;
  return { wllama, engine: createWllamaEngine({ model, wllama, template, lastNativeError: () => nativeError }) };
}

async function collect(source: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of source) events.push(event);
  return events;
}

async function drain(iterator: AsyncIterator<EngineEvent>): Promise<void> {
  while (!(await iterator.next()).done);
}

function never(): AbortSignal {
  return new AbortController().signal;
}
