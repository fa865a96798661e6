/**
 * What every engine owes the mesh, as data: the same cases run under vitest in Node (`describeEngineContract`) and inside
 * a page of a real browser, so that the scripted engine can't drift from the real ones. They run in order on one engine,
 * one after the other; the last ones close it.
 */
import { MeshError } from '../errors.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import { featureContract } from './engine-feature-contract.ts';
import {
  answer,
  ask,
  collect,
  consume,
  describe,
  type EngineContractCase,
  ensure,
  ensureAllSlotsFree,
  ensureCancelled,
  ensureEqual,
  failureOf,
  never,
} from './engine-subject.ts';

export type { EngineContractCase, EngineSubject } from './engine-subject.ts';

export const engineContract: readonly EngineContractCase[] = [
  {
    rule: 'EN1',
    title: 'an answer is token events and then exactly one end',
    async run({ engine, longPrompt }) {
      const events = await collect(engine, ask(longPrompt, { maxTokens: 12 }));
      const ends = events.filter((event) => event.type === 'end');
      ensure(ends.length === 1, `${ends.length} end events came.`);
      ensure(events.at(-1)?.type === 'end', 'A token event came after the end.');
      ensure(events.length > 1, 'No token event came.');
    },
  },
  {
    rule: 'EN2',
    title: "the token counts of an answer add up to the end's completion tokens",
    async run({ engine, prompts }) {
      for (const prompt of prompts) {
        const { counted, usage } = await answer(engine, ask(prompt, { maxTokens: 40 }));
        ensure(
          counted === usage.completionTokens,
          `${counted} tokens came, the usage says ${usage.completionTokens}, for '${prompt}'.`,
        );
        ensure(usage.promptTokens > 0, `The usage says ${usage.promptTokens} prompt tokens.`);
      }
    },
  },
  {
    rule: 'EN3',
    title: 'an answer cut by maxTokens has exactly that many tokens and ends with length',
    async run({ engine, longPrompt }) {
      const { reason, usage } = await answer(engine, ask(longPrompt, { maxTokens: 5 }));
      ensure(reason === 'length', `It ended with '${reason}'.`);
      ensure(usage.completionTokens === 5, `It has ${usage.completionTokens} tokens.`);
    },
  },
  {
    rule: 'EN17',
    title: 'a stop string ends the answer before it, and no part of it shows',
    async run({ engine, longPrompt }) {
      const whole = await answer(engine, ask(longPrompt));
      const stop = Array.from(whole.text).slice(10, 16).join('');
      const cut = await answer(engine, ask(longPrompt, { stop: [stop, 'never said'] }));
      ensureEqual(cut.text, whole.text.slice(0, whole.text.indexOf(stop)), 'The text before the stop string');
      ensureEqual(cut.reason, 'stop', 'The reason');
      // Some model servers end an answer themselves and tell nobody why.
      const isTold = cut.stopText !== undefined || !UNTELLING.includes(engine.model.family);
      if (isTold) ensureEqual(cut.stopText, stop, 'The stop string that it says');
      ensureEqual(whole.stopText, undefined, 'The stop string of an answer that met none');
      ensureEqual(cut.counted, cut.usage.completionTokens, 'The token count');
    },
  },
  {
    rule: 'EN18',
    title: 'a text that only begins like a stop string is given out whole',
    async run({ engine, longPrompt }) {
      const whole = await answer(engine, ask(longPrompt, { maxTokens: 8 }));
      const stop = `${Array.from(whole.text).slice(-3).join('')} never said`;
      const { text, counted, usage } = await answer(engine, ask(longPrompt, { maxTokens: 8, stop: [stop] }));
      ensureEqual(text, whole.text, 'The answer');
      ensureEqual(counted, usage.completionTokens, 'Its token count');
    },
  },
  {
    rule: 'EN4',
    title: 'at temperature 0 the same request gets the same answer again',
    async run({ engine, prompts }) {
      for (const prompt of prompts) {
        const first = await answer(engine, ask(prompt));
        const again = await answer(engine, ask(prompt));
        ensureEqual(again.text, first.text, `The second answer to '${prompt}'`);
        ensureEqual(again.usage.completionTokens, first.usage.completionTokens, 'Its token count');
      }
    },
  },
  {
    rule: 'EN5',
    title: "an engine with the feature 'seed' repeats a sampled answer when the seed is the same",
    async run({ engine, longPrompt }) {
      if (!engine.model.features.includes('seed')) return;
      const request = ask(longPrompt, {
        temperature: 1,
        seed: 7,
        maxTokens: 40,
      });
      const first = await answer(engine, request);
      ensureEqual((await answer(engine, request)).text, first.text, 'The second answer');
    },
  },
  {
    rule: 'EN6',
    title: 'every text is valid Unicode, with no character split between two events',
    async run({ engine, prompts, longPrompt }) {
      for (const prompt of [longPrompt, ...prompts]) {
        const events = await collect(engine, ask(prompt, { temperature: 1, seed: 1 }));
        for (const event of events) {
          if (event.type !== 'tokens') continue;
          ensure(!LONE_SURROGATE.test(event.text), `A text has a lone surrogate: ${JSON.stringify(event.text)}.`);
          ensure(!event.text.includes('\ufffd'), `A text has a replacement character: ${JSON.stringify(event.text)}.`);
          ensure(event.tokenCount > 0, `A token event counts ${event.tokenCount} tokens.`);
        }
      }
    },
  },
  {
    rule: 'EN7',
    title: 'a request whose signal is already aborted is cancelled and takes no slot',
    async run(subject) {
      await ensureCancelled(consume(subject.engine.generate(ask(subject.longPrompt), AbortSignal.abort())));
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN8',
    title: 'a request aborted before its first token is cancelled and frees its slot',
    async run(subject) {
      const abort = new AbortController();
      const running = consume(subject.engine.generate(ask(subject.longPrompt), abort.signal));
      abort.abort();
      await ensureCancelled(running);
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN9',
    title: 'a request aborted midway is cancelled and frees its slot',
    async run(subject) {
      const abort = new AbortController();
      const running = consume(subject.engine.generate(ask(subject.longPrompt), abort.signal), () => abort.abort());
      await ensureCancelled(running);
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN10',
    title: 'leaving the loop early cancels the answer and frees its slot',
    async run(subject) {
      for await (const event of subject.engine.generate(ask(subject.longPrompt), never())) {
        if (event.type === 'tokens') break;
      }
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN11',
    title: 'as many answers as there are slots run at once, each whole and each to its own question',
    async run({ engine, prompts, longPrompt }) {
      const asked = Array.from({ length: engine.model.slots }, (_, slot) =>
        ask([longPrompt, ...prompts][slot % (prompts.length + 1)] ?? longPrompt, { maxTokens: 32 }),
      );
      const alone: string[] = [];
      for (const request of asked) alone.push((await answer(engine, request)).text);
      const together = await Promise.all(asked.map((request) => answer(engine, request)));
      for (const [slot, { text, counted, usage }] of together.entries()) {
        ensureEqual(counted, usage.completionTokens, `The token count of slot ${slot}`);
        // Rounding in a batch may turn a near-tie later on, but not the beginning.
        ensureEqual(text.slice(0, 8), alone[slot]?.slice(0, 8), `The beginning of the answer of slot ${slot}`);
      }
    },
  },
  {
    rule: 'EN12',
    title: 'a prompt past the context is refused as context_length_exceeded with both counts, and the engine goes on',
    async run(subject) {
      const { engine } = subject;
      const tooLong = ask('mesh '.repeat(engine.model.contextTokens * 2));
      const error = await failureOf(consume(engine.generate(tooLong, never())));
      ensure(MeshError.is(error, 'context_length_exceeded'), `It failed with ${describe(error)}.`);
      const { promptTokens, contextTokens } = error.details;
      ensureEqual(contextTokens, engine.model.contextTokens, "The error's contextTokens");
      ensure(
        typeof promptTokens === 'number' && promptTokens >= engine.model.contextTokens,
        `The error's promptTokens is ${promptTokens}.`,
      );
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN13',
    title: 'the second turn of a conversation counts at most its prompt as cached',
    async run({ engine, prompts, longPrompt }) {
      const first = await answer(engine, ask(longPrompt, { temperature: 0.7 }));
      const messages: ChatMessage[] = [
        { role: 'user', content: longPrompt },
        { role: 'assistant', content: first.text },
        { role: 'user', content: prompts[0] ?? longPrompt },
      ];
      const { usage } = await answer(engine, {
        ...ask(''),
        temperature: 0.7,
        messages,
      });
      ensure(
        usage.cachedTokens >= 0 && usage.cachedTokens <= usage.promptTokens,
        `${usage.cachedTokens} of ${usage.promptTokens} prompt tokens were cached.`,
      );
    },
  },
  {
    rule: 'EN14',
    title: 'a message that is not valid Unicode harms neither the answer nor the next one',
    async run(subject) {
      await Promise.allSettled([answer(subject.engine, ask(`half ${'🧭'.charAt(0)} a character`, { maxTokens: 8 }))]);
      await ensureAllSlotsFree(subject);
    },
  },
  {
    rule: 'EN82',
    title: "an engine with the feature 'continue' goes on behind every token as the undisturbed answer does",
    async run({ engine, longPrompt }) {
      if (!engine.model.features.includes('continue')) return;
      const request = ask(longPrompt, { maxTokens: 24 });
      const events = (await collect(engine, request)).filter((event) => event.type === 'tokens');
      const whole = events.map(({ text }) => text).join('');
      let text = '';
      let tokenCount = 0;
      for (const event of events) {
        text += event.text;
        tokenCount += event.tokenCount;
        if (tokenCount === request.maxTokens) break;
        const rest = await answer(engine, {
          ...request,
          maxTokens: request.maxTokens - tokenCount,
          continues: { text, tokenCount },
        });
        ensureEqual(text + rest.text, whole, `The answer that was continued after ${tokenCount} tokens`);
        ensureEqual(rest.counted, rest.usage.completionTokens, 'The token count of the rest');
      }
    },
  },
  {
    rule: 'EN83',
    title: "an engine with the feature 'continue' counts the beginning neither as prompt nor as answer",
    async run({ engine, longPrompt }) {
      if (!engine.model.features.includes('continue')) return;
      const { usage } = await answer(engine, ask(longPrompt, { maxTokens: 8 }));
      const begun = await answer(engine, ask(longPrompt, { maxTokens: 5 }));
      const continues = { text: begun.text, tokenCount: 5 };
      const rest = await answer(engine, ask(longPrompt, { maxTokens: 3, continues }));
      ensureEqual(rest.usage.promptTokens, usage.promptTokens, 'The count of prompt tokens');
      ensureEqual(rest.usage.completionTokens, 3, 'The count of answer tokens');
      ensureEqual(rest.reason, 'length', 'The reason');
    },
  },
  ...featureContract,
  {
    rule: 'EN15',
    title: 'close() rejects running answers as cancelled, and may be called again',
    async run({ engine, longPrompt }) {
      const running: Promise<void>[] = [];
      await new Promise<void>((started, failed) => {
        const answering = consume(engine.generate(ask(longPrompt), never()), started);
        answering.catch(failed);
        running.push(answering);
      });
      const closed = engine.close();
      for (const answering of running) await ensureCancelled(answering);
      await closed;
      await engine.close();
    },
  },
  {
    rule: 'EN16',
    title: 'a closed engine refuses requests with closed',
    async run({ engine, longPrompt }) {
      await engine.close();
      const error = await failureOf(consume(engine.generate(ask(longPrompt), never())));
      ensure(MeshError.is(error, 'closed'), `It failed with ${describe(error)}.`);
    },
  },
];

const UNTELLING: readonly string[] = ['ollama', 'openai'];

/** A high surrogate without its low one, or a low one without its high one. */
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
