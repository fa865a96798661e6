import { type CompletionRequest, MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import type { ScriptedMesh } from '../setup/scripted-mesh.ts';
import { startKeptResponses } from '../setup/start-kept-responses.ts';
import { startResponses } from '../setup/start-responses.ts';

/** A word for each token. */
function holdTo(mesh: ScriptedMesh, contextTokens: number) {
  const { complete } = mesh;
  const wordsOf = ({ messages }: CompletionRequest) => messages.flatMap(({ content }) => content.split(' ')).length;
  mesh.complete = (request, signal) => {
    const words = wordsOf(request);
    if (words > contextTokens) throw MeshError.contextLengthExceeded(words, contextTokens);
    return complete.call(mesh, request, signal);
  };
}

const turns = (count: number) =>
  Array.from({ length: count }, (_, index) => [
    { role: 'user', content: `Question ${index} ${'word '.repeat(20)}` },
    { role: 'assistant', content: `Answer ${index} ${'word '.repeat(20)}` },
  ]).flat();

const input = [{ role: 'developer', content: 'Be kind.' }, ...turns(20), { role: 'user', content: 'And now?' }];

describe('a conversation that is longer than the context', () => {
  it('AP146: is refused, unless its oldest turns may go', async () => {
    const { mesh, post } = startResponses();
    holdTo(mesh, 200);
    for (const fields of [{}, { truncation: 'disabled' }]) {
      const refused = await post({ input, ...fields });
      expect(refused.statusCode).toBe(400);
      expect(refused.json().error.code).toBe('context_length_exceeded');
    }
  });

  it.each([false, true])('AP146: is answered without its oldest turns (stream: %s)', async (stream) => {
    const { mesh, post } = startResponses();
    holdTo(mesh, 200);
    const reply = await post({ input, truncation: 'auto', instructions: 'Be brief.', stream });
    expect(reply.statusCode).toBe(200);
    const messages = mesh.requests[0]?.messages ?? [];
    expect(messages[0]).toEqual({ role: 'system', content: 'Be brief.\n\nBe kind.' });
    expect(messages[1]?.role).toBe('user');
    expect(messages.at(-1)).toEqual({ role: 'user', content: 'And now?' });
    expect(messages.at(-2)?.content).toContain('Answer 19');
    expect(messages.length).toBeGreaterThan(3);
    expect(messages.length).toBeLessThan(input.length);
  });

  it('AP146: keeps the last question, and everything behind it, and is refused when that alone is too long', async () => {
    const { mesh, post } = startResponses();
    holdTo(mesh, 10);
    const lone = await post({ input: 'word '.repeat(30), truncation: 'auto' });
    expect(lone.json().error.code).toBe('context_length_exceeded');
    const last = await post({ input: [...turns(3), { role: 'user', content: 'Why?' }], truncation: 'auto' });
    expect(last.statusCode).toBe(200);
    expect(mesh.requests.at(-1)?.messages).toEqual([{ role: 'user', content: 'Why?' }]);
  });

  it('AP146: never parts a result from its call', async () => {
    const { mesh, post } = startResponses();
    holdTo(mesh, 60);
    const called = [
      { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: `Sun ${'word '.repeat(10)}` },
    ];
    await post({ input: [...turns(1), ...called, ...turns(3), { role: 'user', content: 'Why?' }], truncation: 'auto' });
    const [first] = mesh.requests.at(-1)?.messages ?? [];
    expect(first?.content).not.toContain('tool_response');
  });

  it('AP146: goes on in the background too, and behind kept responses', async () => {
    const { alice, mesh } = startKeptResponses();
    const { id } = (await alice.post({ input })).json();
    holdTo(mesh, 200);
    expect((await alice.post({ input: 'Why?', previous_response_id: id })).statusCode).toBe(400);
    const ask = { input: 'Why?', previous_response_id: id, truncation: 'auto' };
    expect((await alice.post(ask)).json()).toMatchObject({ truncation: 'auto', status: 'completed' });
    expect((await alice.post({ ...ask, background: true })).statusCode).toBe(200);
    expect(mesh.requests.at(-1)?.messages.at(-1)).toEqual({ role: 'user', content: 'Why?' });
  });
});
