/** What the sequences of one engine remember of conversations, and how they share the work. */
import type { ChatMessage, Engine, GenerationRequest, Usage } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { type Answer, answer, ask, never } from '../../shared/src/testing/engine-subject.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { TINY } from './embedded-models.ts';
import { writeLongContextModel } from './long-context-model.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Without them an answer fills its room. */
const ENDLESS = { '2': -100, '4': -100 };

const system: ChatMessage = { role: 'system', content: 'You know all about foxes and meshes. '.repeat(50) };
const user = (content: string): ChatMessage => ({ role: 'user', content });

describe('prefixes', () => {
  it('NP74: the second turn of 2,000 tokens evaluates at most a tenth of what the first one did', async () => {
    const file = await writeLongContextModel(await temporaryFolder(), 4_096);
    const engine = await load(2, file);
    const long = user('a story about a fox '.repeat(400));
    const first = await say(engine, [long]);
    expect(evaluated(first.usage)).toBeGreaterThanOrEqual(2_000);
    const second = await say(engine, [long, { role: 'assistant', content: first.text }, user('Thank you.')]);
    expect(evaluated(second.usage)).toBeLessThanOrEqual(evaluated(first.usage) / 10);
    await engine.close();
  });

  it('NP75: another conversation starts from the system message they share, even from one that still runs', async () => {
    const engine = await load(3);
    const fresh = await load(1);
    const shared = await say(engine, [system, user('Count to five.')]);
    const other = await say(engine, [system, user('What is a mesh?')]);
    expect(evaluated(other.usage)).toBeLessThan(evaluated(shared.usage) / 10);
    expect(other.text).toBe((await say(fresh, [system, user('What is a mesh?')])).text);

    const running = engine.generate(request([system, user('Tell me a story.')]), never())[Symbol.asyncIterator]();
    await running.next();
    const beside = await say(engine, [system, user('What is the capital of France?')]);
    expect(evaluated(beside.usage)).toBeLessThan(evaluated(shared.usage) / 10);
    expect(beside.text).toBe((await say(fresh, [system, user('What is the capital of France?')])).text);
    await running.return?.();

    await engine.close();
    await fresh.close();
  });

  it('NP76: of several conversations the one that was quiet for longest is forgotten', async () => {
    const engine = await load(2);
    const turn = async (name: string, said: ChatMessage[]) => {
      const messages = [...said, user(`${name} says: ${name.repeat(20)}`)];
      const { text, usage } = await say(engine, messages, { maxTokens: 4 });
      return { usage, said: [...messages, { role: 'assistant' as const, content: text }] };
    };
    const alice = await turn('alice', []);
    const bob = await turn('bob', []);
    const aliceAgain = await turn('alice', alice.said);
    await turn('carol', []);
    const aliceStill = await turn('alice', aliceAgain.said);
    const bobAgain = await turn('bob', bob.said);
    for (const { usage } of [aliceAgain, aliceStill])
      expect(usage.cachedTokens).toBeGreaterThan(usage.promptTokens / 3);
    expect(bobAgain.usage.cachedTokens).toBeLessThan(10);
    await engine.close();
  });
});

describe('one batch for all', () => {
  it('NP77: a running answer gets a token after every 64 of a long prompt', async () => {
    const engine = await load(2);
    const order: string[] = [];
    const running = engine.generate(request([user('Hello')], { maxTokens: 300, logitBias: ENDLESS }), never());
    let prompted: Promise<Usage> | undefined;
    const prompt = async () => {
      order.push('asked');
      const { usage } = await say(engine, [user('a story about a fox '.repeat(160))], { maxTokens: 1 });
      order.push('answered');
      return usage;
    };
    for await (const event of running) {
      if (event.type !== 'tokens') continue;
      order.push('token');
      if (order.length === 3) prompted = prompt();
      if (order.includes('answered')) break;
    }
    const usage = await prompted;
    const between = order.slice(order.indexOf('asked'), order.indexOf('answered')).filter((step) => step === 'token');
    // One less at each end: where the pieces and the tokens begin is not the same moment.
    expect(between.length).toBeGreaterThanOrEqual(Math.floor((usage?.promptTokens ?? 0) / 64) - 2);
    await engine.close();
  });

  it('NP81: a request begins beside running answers, whatever its sequence held before', async () => {
    const engine = await load(3);
    await say(engine, [user('Count to five.')]);
    const stop = new AbortController();
    const begin = async (content: string) => {
      const running = engine.generate(request([user(content)], { maxTokens: 900, logitBias: ENDLESS }), stop.signal);
      const events = running[Symbol.asyncIterator]();
      await events.next();
      return async () => {
        while (!(await events.next()).done);
        return 'at its end';
      };
    };
    const goOn = await Promise.all(['Tell me a story.', 'What is a mesh?'].map(begin));
    const running = Promise.race(goOn.map((go) => go()));
    const beside = say(engine, [user('What is the capital of France?')]).then(() => 'beside them');
    expect(await Promise.race([beside, running])).toBe('beside them');
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    await engine.close();
  });
});

function load(slots: number, file = TINY): Promise<Engine> {
  return loadLlamaEngine({ file, slots, threads: 1, gpu: 'off' });
}

function request(messages: readonly ChatMessage[], sampling: Partial<GenerationRequest> = {}): GenerationRequest {
  return { ...ask('', { maxTokens: 24, ...sampling }), messages };
}

function say(
  engine: Engine,
  messages: readonly ChatMessage[],
  sampling: Partial<GenerationRequest> = {},
): Promise<Answer> {
  return answer(engine, request(messages, sampling));
}

function evaluated({ promptTokens, cachedTokens }: Usage): number {
  return promptTokens - cachedTokens;
}
