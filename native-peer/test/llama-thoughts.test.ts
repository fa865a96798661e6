/** Thoughts of a model that llama.cpp runs, told apart whichever way its chat template begins them. */
import type { Engine, TokensEvent } from '@tabmesh/shared';
import { afterAll, describe, expect, it } from 'vitest';
import { ask } from '../../shared/src/testing/engine-subject.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { END_ID, SCRIPT, TEMPLATES, WRITTEN, writeThinkingModel } from './thinking-model.ts';

const loaded: Engine[] = [];
afterAll(async () => {
  for (const engine of loaded) await engine.close();
});

async function load(template: string): Promise<Engine> {
  const file = await writeThinkingModel(await temporaryFolder(), template);
  const engine = await loadLlamaEngine({ file, slots: 1, threads: 1, gpu: 'off' });
  loaded.push(engine);
  return engine;
}

async function read(engine: Engine, more: Parameters<typeof ask>[1] = {}) {
  const tokens: TokensEvent[] = [];
  let reason: string | undefined;
  let completionTokens = 0;
  for await (const event of engine.generate(ask('How many?', more), new AbortController().signal)) {
    if (event.type === 'tokens') tokens.push(event);
    else ({ reason, completionTokens } = { reason: event.reason, ...event.usage });
  }
  const join = (part: (event: TokensEvent) => string) => tokens.map(part).join('');
  expect(tokens.reduce((sum, { tokenCount }) => sum + tokenCount, 0)).toBe(completionTokens);
  return {
    thought: join((event) => (event.thought ? event.text : '')),
    text: join((event) => (event.thought ? '' : event.text)),
    written: join((event) => event.written ?? event.text),
    reason,
    completionTokens,
  };
}

const OPENED = SCRIPT.slice(2).join('');

describe('a model that thinks, in llama.cpp', () => {
  it.each([
    ['writes the marker itself', TEMPLATES.willing, WRITTEN],
    ['is given it by its template', TEMPLATES.opening, OPENED],
  ])('TH24: that %s has its thoughts told apart', async (_, template, written) => {
    const engine = await load(template);
    expect(await read(engine)).toMatchObject({
      thought: 'Hm, stop now. Two.',
      text: 'It is two indeed.',
      written,
      reason: 'stop',
    });
    expect(await read(engine, { stop: ['stop', ' two'] })).toMatchObject({
      thought: 'Hm, stop now. Two.',
      text: 'It is',
      reason: 'stop',
    });
    const cut = await read(engine, { maxTokens: written === WRITTEN ? 5 : 3 });
    expect(cut).toMatchObject({ thought: 'Hm, stop now.', text: '', reason: 'length' });
  });

  it.each([
    ['writes the marker itself', TEMPLATES.willing, SCRIPT],
    ['is given it by its template', TEMPLATES.opening, SCRIPT.slice(2)],
  ])('TH25: that %s is gone on with from every token', async (_, template, script) => {
    const engine = await load(template);
    const whole = await read(engine);
    for (let given = 1; given < script.length; given += 1) {
      const text = script.slice(0, given).join('');
      const before = await read(engine, { maxTokens: given });
      const rest = await read(engine, { continues: { text, tokenCount: given } });
      expect(before.written + rest.written).toBe(whole.written);
      expect(before.thought + rest.thought).toBe(whole.thought);
      expect(before.text + rest.text).toBe(whole.text);
    }
  });

  it('TH26: does not think where it is told not to, or where its template always thinks', async () => {
    const willing = await load(TEMPLATES.willing);
    expect(await read(willing, { thinking: false })).toMatchObject({ thought: '', text: 'It is two indeed.' });
    expect(await read(willing, { thinking: true })).toMatchObject({ thought: 'Hm, stop now. Two.' });
    const opening = await load(TEMPLATES.opening);
    expect(await read(opening, { thinking: false })).toMatchObject({ thought: 'Hm, stop now. Two.' });
  });

  const json = { responseFormat: { type: 'json_schema', schema: { enum: [true] } } } as const;

  it.each([
    ['writes the marker itself', TEMPLATES.willing],
    ['is given it by its template', TEMPLATES.opening],
  ])('TH27: JSON of one that %s begins behind the thoughts', async (_, template) => {
    const engine = await load(template);
    const whole = await read(engine, json);
    expect(whole).toMatchObject({ thought: 'Hm, stop now. Two.', text: 'true', reason: 'stop' });
    expect(await read(engine, { ...json, thinking: false })).toMatchObject({ thought: '', text: 'true' });

    for (let given = 1; given < whole.completionTokens; given += 1) {
      const before = await read(engine, { ...json, maxTokens: given });
      const rest = await read(engine, { ...json, continues: { text: before.written, tokenCount: given } });
      expect(before.written + rest.written).toBe(whole.written);
      expect([before.thought + rest.thought, before.text + rest.text]).toEqual([whole.thought, whole.text]);
    }
    // One that was begun without thoughts goes on without them.
    const begun = await read(engine, { ...json, continues: { text: 'tr', tokenCount: 2 } });
    expect(begun).toMatchObject({ thought: '', text: 'ue' });
  });

  it('TH27: promised JSON comes where a model ends in its thoughts', async () => {
    const engine = await load(TEMPLATES.opening);
    const found = await read(engine, { ...json, logitBias: { [END_ID]: 100 } });
    expect(found).toMatchObject({ thought: '', text: 'true', written: '<think>\n\n</think>\n\ntrue' });
  });
});
