import { describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { EngineEvent, GenerationRequest } from '../ports/engine.ts';
import { ModelFeature } from '../protocol/announcement.ts';
import { describeEngineContract } from './describe-engine-contract.ts';
import { ManualClock } from './manual-clock.ts';
import { createScriptedEngine, type EngineScenario } from './scripted-engine.ts';

/** Time that runs as fast as it is asked to: the contract's cases turn no clock. */
const hurriedClock: Clock = {
  wallMs: () => 0,
  monotonicMs: () => 0,
  soon: (callback) => queueMicrotask(callback),
  after(_, callback) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      callback();
    };
    port2.postMessage(undefined);
    return () => port1.close();
  },
};

describeEngineContract('scripted engine', () => ({
  engine: createScriptedEngine({ clock: hurriedClock, scenario: 'steady', features: ModelFeature.options }),
  longPrompt: 'Tell me a story.',
  prompts: ['What is the mesh?', 'Who measures?'],
  firstTokenId: 4,
}));

const question: GenerationRequest = {
  messages: [{ role: 'user', content: 'What does the router measure?' }],
  maxTokens: 100,
  temperature: 0,
  topP: 1,
  stop: [],
};

describe('scripted engine', () => {
  it('EN20: two engines of one class give the same answer, wrong-output claims that class and gives another', async () => {
    const [steady, again, wrong] = [engineFor('steady'), engineFor('steady'), engineFor('wrong-output')];
    const [first, second, third] = await Promise.all([steady, again, wrong].map((subject) => subject.text()));

    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(wrong.engine.model.classId).toBe(steady.engine.model.classId);
  });

  it('EN21: its tokens come when the clock says so', async () => {
    const clock = new ManualClock();
    const engine = createScriptedEngine({
      clock,
      scenario: 'steady',
      ttftMs: 100,
      tokenIntervalMs: 10,
      tokens: 3,
    });
    const events: EngineEvent[] = [];
    const done = collectInto(events, engine.generate(question, new AbortController().signal));

    await clock.advance(99);
    expect(events).toHaveLength(0);
    await clock.advance(1);
    expect(events).toHaveLength(1);
    await clock.advance(20);
    await done;
    expect(events.at(-1)).toMatchObject({
      type: 'end',
      reason: 'stop',
      usage: { completionTokens: 3 },
    });
    expect(clock.pendingTimers()).toBe(0);
  });

  it('EN22: silent takes a slot and sends nothing until it is cancelled', async () => {
    const clock = new ManualClock();
    const engine = createScriptedEngine({ clock, scenario: 'silent' });
    const abort = new AbortController();
    const events: EngineEvent[] = [];
    const done = collectInto(events, engine.generate(question, abort.signal));
    const failure = expect(done).rejects.toMatchObject({ code: 'cancelled' });

    await clock.advance(3_600_000);
    expect(engine.running()).toBe(1);
    expect(events).toHaveLength(0);
    abort.abort();
    await failure;
    expect(engine.running()).toBe(0);
  });

  it('EN23: dies-midway fails after half of its tokens, tells that it is lost, and refuses from then on', async () => {
    const engine = createScriptedEngine({
      clock: hurriedClock,
      scenario: 'dies-midway',
      tokens: 10,
    });
    const losses: Error[] = [];
    engine.onLost((error) => losses.push(error));
    const events: EngineEvent[] = [];

    await expect(collectInto(events, engine.generate(question, never()))).rejects.toMatchObject({
      code: 'engine_failed',
    });
    expect(events).toHaveLength(5);
    expect(losses).toHaveLength(1);
    await expect(collectInto([], engine.generate(question, never()))).rejects.toBe(losses[0]);
  });

  it('EN24: a caller that takes more slots than there are gets a plain error', async () => {
    const engine = createScriptedEngine({
      clock: new ManualClock(),
      scenario: 'silent',
      slots: 1,
    });
    const abort = new AbortController();
    const first = expect(collectInto([], engine.generate(question, abort.signal))).rejects.toBeInstanceOf(MeshError);

    await expect(collectInto([], engine.generate(question, never()))).rejects.toThrow('1 slots');
    abort.abort();
    await first;
  });

  it('EN25: the second turn of a conversation reports the first as cached', async () => {
    const { engine } = engineFor('steady');
    const messages = [...question.messages];
    await collectInto([], engine.generate(question, never()));
    const events: EngineEvent[] = [];
    messages.push({ role: 'assistant', content: 'It measures.' }, { role: 'user', content: 'What?' });
    await collectInto(events, engine.generate({ ...question, messages }, never()));

    expect(events.at(-1)).toMatchObject({
      usage: { promptTokens: 11, cachedTokens: 6 },
    });
  });
});

function engineFor(scenario: EngineScenario) {
  const engine = createScriptedEngine({ clock: hurriedClock, scenario });
  return {
    engine,
    async text() {
      let text = '';
      for await (const event of engine.generate(question, never())) if (event.type === 'tokens') text += event.text;
      return text;
    },
  };
}

async function collectInto(events: EngineEvent[], source: AsyncIterable<EngineEvent>): Promise<void> {
  for await (const event of source) events.push(event);
}

function never(): AbortSignal {
  return new AbortController().signal;
}
