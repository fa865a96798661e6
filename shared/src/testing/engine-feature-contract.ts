/** What an engine owes the mesh for each feature that it claims. Cases of features that it does not claim pass. */
import { MeshError } from '../errors.ts';
import type { Engine, GenerationRequest } from '../ports/engine.ts';
import type { ModelFeature } from '../protocol/announcement.ts';
import type { ResponseFormat } from '../protocol/messages.ts';
import {
  answer,
  ask,
  collect,
  consume,
  describe,
  type EngineContractCase,
  type EngineSubject,
  ensure,
  ensureAllSlotsFree,
  ensureCancelled,
  ensureEqual,
  failureOf,
  never,
} from './engine-subject.ts';

export const featureContract: readonly EngineContractCase[] = [
  {
    rule: 'EN84',
    title: "an engine with the feature 'json' answers a request for a JSON object with one",
    run: withFeature('json', async ({ engine, longPrompt }) => {
      for (const temperature of [0, 1]) {
        const responseFormat = { type: 'json_object' } as const;
        const { text, reason } = await answer(engine, ask(longPrompt, { responseFormat, temperature, seed: 3 }));
        ensure(text.trimStart().startsWith('{'), `It begins with ${JSON.stringify(text.slice(0, 20))}.`);
        // A model that has no end in sight is cut, and half an object is none.
        if (reason === 'stop') ensure(isObject(JSON.parse(text)), `It is ${text}.`);
      }
    }),
  },
  {
    rule: 'EN85',
    title: "an engine with the feature 'json' keeps to the schema, whatever the temperature",
    run: withFeature('json', async ({ engine, longPrompt }) => {
      for (const [temperature, seed] of [
        [0, 0],
        ...Array.from({ length: 5 }, (_, seed) => [1, seed] as const),
      ] as const) {
        const request = ask(longPrompt, { responseFormat: SURVEY, temperature, seed, maxTokens: 200 });
        const { text, reason, counted, usage } = await answer(engine, request);
        ensureEqual(reason, 'stop', `The reason of ${text}`);
        ensure(isSurvey(JSON.parse(text)), `It does not follow the schema: ${text}.`);
        ensureEqual(counted, usage.completionTokens, 'The token count');
      }
    }),
  },
  {
    rule: 'EN86',
    title: "a schema that an engine with the feature 'json' can't follow is an invalid_request, and the engine goes on",
    run: withFeature('json', async (subject) => {
      for (const schema of HOSTILE_SCHEMAS) {
        const request = ask(subject.longPrompt, { responseFormat: { type: 'json_schema', schema }, maxTokens: 8 });
        const [outcome] = await Promise.allSettled([answer(subject.engine, request)]);
        if (outcome.status === 'fulfilled') continue;
        const { reason } = outcome;
        const text = JSON.stringify(schema).slice(0, 100);
        ensure(MeshError.is(reason, 'invalid_request'), `It failed with ${describe(reason)} for ${text}.`);
        ensure(reason.message.length < 500, `The message for ${text} has ${reason.message.length} characters.`);
      }
      await ensureAllSlotsFree(subject);
    }),
  },
  {
    rule: 'EN87',
    title: "an engine with the features 'json' and 'continue' ends JSON that was begun, or says that it can't",
    run: withFeature('json', async ({ engine, longPrompt }) => {
      if (!engine.model.features.includes('continue')) return;
      const request = ask(longPrompt, { responseFormat: SURVEY, maxTokens: 200 });
      const events = (await collect(engine, request)).filter((event) => event.type === 'tokens');
      for (const share of [0.1, 0.4, 0.7, 1]) {
        const begun = events.slice(0, Math.max(1, events.length * share));
        const text = begun.map((event) => event.text).join('');
        const tokenCount = begun.reduce((sum, event) => sum + event.tokenCount, 0);
        const [rest] = await Promise.allSettled([answer(engine, { ...request, continues: { text, tokenCount } })]);
        if (rest.status === 'rejected') {
          ensure(MeshError.is(rest.reason, 'unsupported'), `It failed with ${describe(rest.reason)}.`);
          continue;
        }
        const whole = text + rest.value.text;
        ensure(isSurvey(JSON.parse(whole)), `It does not follow the schema: ${whole}.`);
      }
    }),
  },
  {
    rule: 'EN88',
    title: "an engine with the feature 'logprobs' tells the probability of every token and of the likeliest ones",
    run: withFeature('logprobs', async ({ engine, longPrompt }) => {
      for (const temperature of [0, 1]) {
        const request = ask(longPrompt, { topLogprobs: 4, maxTokens: 12, temperature, seed: 5 });
        const { logprobs, usage } = await answer(engine, request);
        ensureEqual(logprobs.length, usage.completionTokens, 'The count of probabilities');
        for (const { token, logprob, top } of logprobs) {
          ensure(logprob <= 0 && Number.isFinite(logprob), `The logprob of ${token} is ${logprob}.`);
          ensure(top.length > 0 && top.length <= 4, `${top.length} likeliest tokens are told.`);
          const sum = top.reduce((total, one) => total + Math.exp(one.logprob), 0);
          ensure(sum < 1.001, `The likeliest tokens have a probability of ${sum}.`);
          ensure(
            top.every((one, index) => one.logprob <= (top[index - 1]?.logprob ?? 0)),
            'They are not in order.',
          );
          if (temperature === 0) ensureEqual(top[0]?.logprob, logprob, 'The logprob of the likeliest token');
        }
      }
    }),
  },
  {
    rule: 'EN89',
    title: "an engine with the feature 'logprobs' tells none unasked, and being asked changes no greedy answer",
    run: withFeature('logprobs', async ({ engine, longPrompt }) => {
      const plain = await answer(engine, ask(longPrompt, { maxTokens: 12 }));
      ensureEqual(plain.logprobs.length, 0, 'The count of probabilities');
      const told = await answer(engine, ask(longPrompt, { maxTokens: 12, topLogprobs: 0 }));
      ensureEqual(told.text, plain.text, 'The answer');
      ensure(
        told.logprobs.every(({ top }) => top.length === 0),
        'Likeliest tokens are told though none were asked for.',
      );
    }),
  },
  {
    rule: 'EN90',
    title: "an engine with the feature 'logit-bias' never says a token at -100, and nothing else at 100",
    run: withFeature('logit-bias', async ({ engine, longPrompt, firstTokenId }) => {
      if (firstTokenId === undefined) return;
      const biased = async (bias: number) =>
        (await answer(engine, ask(longPrompt, { logitBias: { [firstTokenId]: bias }, maxTokens: 4 }))).text;
      const plain = await answer(engine, ask(longPrompt, { maxTokens: 4 }));
      const [first] = await collect(engine, ask(longPrompt, { maxTokens: 1 }));
      const piece = first?.type === 'tokens' ? first.text.trim() : '';
      ensure(
        plain.text.trim().startsWith(piece) && piece !== '',
        `The answer ${plain.text} does not begin with ${piece}.`,
      );
      ensure(!(await biased(-100)).trim().startsWith(piece), 'A token at -100 was said.');
      ensureEqual((await biased(100)).replaceAll(/\s/g, ''), piece.repeat(4), 'The answer with a token at 100');
      ensureEqual(await biased(0), plain.text, 'The answer with a bias of 0');
    }),
  },
  {
    rule: 'EN91',
    title: "an engine with the feature 'penalties' repeats itself less with positive ones and more with negative ones",
    run: withFeature('penalties', async ({ engine, longPrompt }) => {
      const variety = async (sampling: Partial<GenerationRequest>) => {
        const words = (await answer(engine, ask(longPrompt, sampling))).text.toLowerCase().match(/\S+/g) ?? [];
        return new Set(words).size / words.length;
      };
      const both = (penalty: number) => variety({ presencePenalty: penalty, frequencyPenalty: penalty });
      const [less, plain, more] = [await both(2), await both(0), await both(-2)];
      ensure(less >= plain && more < less, `Of the words ${more}, ${plain} and ${less} are different ones.`);
      ensureEqual(plain, await variety({}), 'The share of different words without penalties');
    }),
  },
  {
    rule: 'EN92',
    title: "an engine with the feature 'embeddings' makes a vector of length 1 for each text, the same for the same",
    run: withFeature('embeddings', async ({ engine, prompts, longPrompt }) => {
      const inputs = [longPrompt, ...prompts, longPrompt];
      const { vectors, promptTokens } = await embed(engine, inputs);
      ensureEqual(vectors.length, inputs.length, 'The count of vectors');
      ensure(promptTokens >= inputs.length, `The texts have ${promptTokens} tokens.`);
      for (const vector of vectors) {
        ensureEqual(vector.length, vectors[0]?.length, 'The count of dimensions');
        ensure(Math.abs(Math.hypot(...vector) - 1) < 1e-3, `A vector has the length ${Math.hypot(...vector)}.`);
      }
      ensure(likeness(vectors[0], vectors.at(-1)) > 0.999, 'Equal texts have different vectors.');
      ensure(likeness(vectors[0], vectors[1]) < 0.999, 'Different texts have equal vectors.');
    }),
  },
  {
    rule: 'EN93',
    title: "an engine with the feature 'embeddings' refuses too long texts, hears a stop, and holds no slot afterwards",
    run: withFeature('embeddings', async (subject) => {
      const { engine, longPrompt } = subject;
      const tooLong = await failureOf(embed(engine, [longPrompt, 'mesh '.repeat(engine.model.contextTokens * 2)]));
      ensure(MeshError.is(tooLong, 'context_length_exceeded'), `It failed with ${describe(tooLong)}.`);
      await ensureCancelled(embed(engine, [longPrompt], AbortSignal.abort()));
      const abort = new AbortController();
      const running = embed(
        engine,
        Array.from({ length: 16 }, () => longPrompt),
        abort.signal,
      );
      abort.abort();
      await ensureCancelled(running);
      await ensureAllSlotsFree(subject);
      await consume(engine.generate(ask(longPrompt, { maxTokens: 1 }), never()));
    }),
  },
];

/** Ends soon, however much a model babbles. */
const SURVEY: ResponseFormat = {
  type: 'json_schema',
  schema: {
    type: 'object',
    properties: {
      colour: { type: 'string', enum: ['red', 'green', 'blue'] },
      sure: { type: 'boolean' },
      sizes: { type: 'array', items: { enum: ['small', 'large'] }, minItems: 1, maxItems: 2 },
    },
    required: ['colour', 'sure', 'sizes'],
    additionalProperties: false,
  },
};

function isSurvey(value: unknown): boolean {
  if (!isObject(value) || Object.keys(value).length !== 3) return false;
  const { colour, sure, sizes } = value;
  return (
    (colour === 'red' || colour === 'green' || colour === 'blue') &&
    typeof sure === 'boolean' &&
    Array.isArray(sizes) &&
    (sizes.length === 1 || sizes.length === 2) &&
    sizes.every((size) => size === 'small' || size === 'large')
  );
}

/** Without end, without sense, or without bounds. */
const HOSTILE_SCHEMAS: readonly Readonly<Record<string, unknown>>[] = [
  { $ref: '#' },
  { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] },
  { $ref: '#/$defs/nowhere' },
  { $ref: 'https://example.org/schema.json' },
  { type: 'spaceship' },
  { type: 'string', pattern: '^(a{1000}){1000}$' },
  { type: 'string', pattern: '(a)\\1' },
  { not: {} },
  { enum: [] },
  { type: 'array', items: { type: 'string' }, minItems: 1_000_000_000 },
  nested(2_000),
  { enum: Array.from({ length: 20_000 }, (_, index) => `value ${index}`) },
  // Each definition uses the next one twice: a million parts in a few lines.
  {
    $ref: '#/$defs/d0',
    $defs: {
      d20: { type: 'string' },
      ...Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => {
          const next = { $ref: `#/$defs/d${index + 1}` };
          return [`d${index}`, { anyOf: [next, next] }];
        }),
      ),
    },
  },
];

function nested(levels: number): Readonly<Record<string, unknown>> {
  let schema: Readonly<Record<string, unknown>> = { type: 'string' };
  for (let level = 0; level < levels; level += 1) schema = { type: 'array', items: schema };
  return schema;
}

function withFeature(feature: ModelFeature, run: EngineContractCase['run']): EngineContractCase['run'] {
  return async (subject: EngineSubject) => {
    if (subject.engine.model.features.includes(feature)) await run(subject);
  };
}

async function embed(engine: Engine, inputs: readonly string[], signal = never()) {
  if (engine.embed === undefined) throw new Error("It has the feature 'embeddings', but no embed().");
  return engine.embed(inputs, signal);
}

function likeness(left: Float32Array = new Float32Array(), right: Float32Array = new Float32Array()): number {
  return left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
