/** What may be asked beside text: forms, probabilities, biases, embeddings; and who is asked for it. */
import { afterEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { Engine, GenerationRequest } from '../ports/engine.ts';
import type { ModelFeature } from '../protocol/announcement.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import type { EmbedAnswer } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How do peers find each other?' }] };

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

/** An engine with these features too, which hears what it is asked. */
function provider(name: string, features: readonly ModelFeature[], changes: Partial<Engine> = {}) {
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady' });
  const mesh = world.member(name, 'native');
  mesh.addEngine({ ...engine, model: { ...engine.model, features: ['seed', 'continue', ...features] }, ...changes });
  return { mesh, requests: engine.requests };
}

/** The length of the text and its first character. */
const embed: Engine['embed'] = async (inputs) => ({
  vectors: inputs.map((text) => Float32Array.of(text.length, text.charCodeAt(0))),
  promptTokens: inputs.length * 2,
});

describe('a prompt that asks for more than text', () => {
  it.each<[ModelFeature, Partial<GenerationRequest>]>([
    ['json', { responseFormat: { type: 'json_schema', schema: { type: 'object' } } }],
    ['logprobs', { topLogprobs: 0 }],
    ['logit-bias', { logitBias: { '42': -100 } }],
    ['penalties', { frequencyPenalty: 0.5 }],
  ])('EX1: goes to a peer that can do %s, word for word', async (feature, extras) => {
    const alice = world.member('alice');
    const bob = provider('bob', []);
    const carol = provider('carol', [feature]);
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, ...extras });
    await world.clock.advance(3_000);
    expect(answer.state).toBe('done');
    expect(bob.requests).toEqual([]);
    expect(carol.requests[0]).toMatchObject(extras);
  });

  it('EX2: that nobody can do is refused by the name of the field', async () => {
    const alice = world.member('alice');
    provider('bob', []);
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, responseFormat: { type: 'json_object' } });
    await world.clock.advance(1_000);
    expect(answer.error).toMatchObject({ code: 'invalid_request', details: { param: 'response_format' } });
  });

  it('EX8: that an engine refuses is told by the name of the field, however long a peer makes that', async () => {
    const alice = world.member('alice');
    const param = `response_format.json_schema.schema${'.properties.a'.repeat(40)}`;
    provider('bob', ['json'], {
      // biome-ignore lint/correctness/useYield: it refuses before the first token.
      async *generate() {
        throw new MeshError('invalid_request', 'It can not.', { details: { param } });
      },
    });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, responseFormat: { type: 'json_object' } });
    await world.clock.advance(3_000);
    expect(answer.error).toMatchObject({ code: 'invalid_request', details: { param: param.slice(0, 300) } });
  });

  it('EX9: that was ended by a stop string says which one', async () => {
    const alice = world.member('alice');
    provider('bob', [], {
      async *generate() {
        yield { type: 'tokens', text: 'Well', tokenCount: 1 };
        const usage = { promptTokens: 1, completionTokens: 1, cachedTokens: 0 };
        yield { type: 'end', reason: 'stop', usage, stopText: 'END' };
      },
    });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, stop: ['STOP', 'END'] });
    await world.clock.advance(3_000);
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', reason: 'stop', stopText: 'END' });
  });

  it('EX3: gets the probability of every token, also of those that share a message', async () => {
    const alice = world.member('alice');
    const tokens = Array.from({ length: 40 }, (_, index) => `t${index} `);
    provider('bob', ['logprobs'], {
      async *generate() {
        for (const token of tokens)
          yield { type: 'tokens', text: token, tokenCount: 1, logprobs: [{ token, logprob: -1, top: [] }] };
        yield { type: 'end', reason: 'stop', usage: { promptTokens: 1, completionTokens: 40, cachedTokens: 0 } };
      },
    });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, topLogprobs: 0 });
    await world.clock.advance(3_000);
    const told = answer.events.flatMap((event) => (event.type === 'tokens' ? (event.logprobs ?? []) : []));
    expect(told.map(({ token }) => token)).toEqual(tokens);
  });
});

describe('embeddings', () => {
  async function ask(inputs: readonly string[], signal = new AbortController().signal) {
    const asked = world.member('asker').embed({ inputs }, signal);
    const outcome: { answer?: EmbedAnswer; error?: unknown } = {};
    asked.then(
      (answer) => Object.assign(outcome, { answer }),
      (error: unknown) => Object.assign(outcome, { error }),
    );
    await world.clock.advance(3_000);
    return outcome;
  }

  it('EX4: come one for each text, in order, from a peer that makes them, however many there are', async () => {
    provider('bob', []);
    const { mesh: carol } = provider('carol', ['embeddings'], { embed });
    await world.clock.advance(1_000);
    const inputs = Array.from({ length: 40 }, (_, index) => 'x'.repeat(index + 1));
    const { answer } = await ask(inputs);
    expect(answer).toMatchObject({ model, peerId: carol.peerId, promptTokens: 80 });
    expect(answer?.vectors.map(([length]) => length)).toEqual(inputs.map((text) => text.length));
  });

  it('EX5: move on when a peer fails, and are refused when none makes them', async () => {
    const refused = await (async () => {
      provider('bob', []);
      await world.clock.advance(1_000);
      return ask(['hello']);
    })();
    expect(refused.error).toMatchObject({ code: 'no_peer_with_model' });
    provider('dead', ['embeddings'], { embed: () => Promise.reject(MeshError.engineFailed('it broke')) });
    provider('carol', ['embeddings'], { embed });
    await world.clock.advance(1_000);
    for (let turn = 0; turn < 3; turn += 1) {
      const asked = world.member(`asker ${turn}`).embed({ model, inputs: ['hello'] }, new AbortController().signal);
      await world.clock.advance(3_000);
      await expect(asked).resolves.toMatchObject({ promptTokens: 2 });
    }
  });

  it('EX6: that are of different lengths, too few or no numbers are not believed', async () => {
    for (const [turn, vectors] of [
      [Float32Array.of(1), Float32Array.of(1, 2)],
      [Float32Array.of(1)],
      [Float32Array.of(Number.NaN), Float32Array.of(1)],
    ].entries()) {
      const { mesh } = provider(`bob ${turn}`, ['embeddings'], { embed: async () => ({ vectors, promptTokens: 1 }) });
      await world.clock.advance(1_000);
      const asked = world.member(`asker ${turn}`).embed({ model, inputs: ['a', 'b'] }, new AbortController().signal);
      asked.catch(() => {});
      await world.clock.advance(3_000);
      await expect(asked).rejects.toMatchObject({ code: 'protocol_violation' });
      void mesh.close();
      await world.clock.advance(1_000);
    }
  });

  it('EX7: that are no longer wanted free the slot of their peer', async () => {
    let aborted = false;
    provider('bob', ['embeddings'], {
      embed: (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(MeshError.cancelled());
          }),
        ),
    });
    await world.clock.advance(1_000);
    const abort = new AbortController();
    const asking = ask(['hello'], abort.signal);
    await asking;
    abort.abort();
    await world.clock.advance(250);
    expect(aborted).toBe(true);
  });

  it('RT18: are not asked again of a peer that kept an asker waiting for them until it left', async () => {
    provider('bob', ['embeddings'], { embed: () => new Promise<never>(() => {}) });
    provider('carol', ['embeddings'], { embed });
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const isAnswered = async (waitMs: number) => {
      const leaving = new AbortController();
      const asked = alice.embed({ model, inputs: ['hello'] }, leaving.signal).then(
        () => true,
        () => false,
      );
      await world.clock.advance(waitMs);
      leaving.abort();
      return asked;
    };
    let left = 0;
    while ((await isAnswered(11_000)) && left < 20) left += 1;
    expect(left).toBeLessThan(20);
    const next = [];
    for (let turn = 0; turn < 8; turn += 1) next.push(await isAnswered(1_000));
    expect(next).not.toContain(false);
  });
});
