/** Anthropic's own client in front of llama.cpp with the embedded model: what only a real engine can show. */
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type { Engine, Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

let entry: Entry;
let llama: Engine;
let member: Mesh;
let client: Anthropic;
beforeAll(async () => {
  entry = await startTestEntry();
  llama = await loadLlamaEngine({ file: join(root, 'shared/models/mesh-tiny.gguf'), slots: 2, threads: 1, gpu: 'off' });
  member = startMember(entry.url, llama);
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  client = new Anthropic({ baseURL: entry.url, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await member?.close();
  await llama?.close();
  await entry?.close();
});

const messages = [{ role: 'user' as const, content: 'Who are you?' }];
const ask = (fields: object = {}) => ({ model: llama.model.id, max_tokens: 48, temperature: 0, messages, ...fields });

describe("Anthropic's client and llama.cpp", () => {
  it('AM9: the tokens that are counted are those that the answer then reads', async () => {
    const system = 'Be brief, and say nothing of the weather.';
    const { input_tokens } = await client.messages.countTokens({ model: llama.model.id, messages, system });
    const { usage } = await client.messages.create(ask({ system }));
    expect(input_tokens).toBeGreaterThan(10);
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(input_tokens);
    // The count left its prefix with the model.
    expect(usage.cache_read_input_tokens).toBeGreaterThan(0);
  });

  it('AM7: a stop sequence ends the answer and is told, whole and streamed', async () => {
    const whole = await client.messages.create(ask());
    const [said] = whole.content;
    if (said?.type !== 'text') throw new Error('It said nothing.');
    const stop = said.text.slice(8, 12);
    const asked = ask({ stop_sequences: ['never said', stop] });
    const stopped = await client.messages.create(asked);
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: stop });
    expect(stopped.content).toMatchObject([{ text: said.text.slice(0, said.text.indexOf(stop)) }]);
    const streamed = await client.messages.stream(asked).finalMessage();
    expect(streamed).toMatchObject({ content: stopped.content, stop_reason: 'stop_sequence', stop_sequence: stop });
  });

  it('AM7: the limit ends it as max_tokens', async () => {
    const short = await client.messages.create(ask({ max_tokens: 3 }));
    expect(short).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 3 } });
  });

  it('AM5: a tool that must be called is, by the grammar', async () => {
    const input_schema = {
      type: 'object' as const,
      properties: { city: { enum: ['Rome', 'Oslo'] } },
      required: ['city'],
    };
    const forced = { tools: [{ name: 'weather', input_schema }], tool_choice: { type: 'any' as const } };
    const { content, stop_reason } = await client.messages.create(ask({ ...forced, max_tokens: 128 }));
    expect(content).toMatchObject([{ type: 'tool_use', name: 'weather' }]);
    const [call] = content;
    if (call?.type !== 'tool_use') throw new Error('There is no call.');
    expect(['Rome', 'Oslo']).toContain((call.input as { city: string }).city);
    expect(stop_reason).toBe('tool_use');
  });
});
