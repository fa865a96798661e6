/** Servers that break off, refuse, flood and go away. */
import { type EngineEvent, MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/src/testing/manual-clock.ts';
import { answerOf, ask, delta, eventsOf, never, open, openSaying } from './connected-engine.ts';
import { CONTEXT_TOKENS } from './scripted-model.ts';

describe('a server that fails', () => {
  it.each([
    ['llama-server', { breakAfter: 4 }],
    ['vllm', { endAfter: 4 }],
    ['ollama', { breakAfter: 4 }],
    ['ollama', { endAfter: 4 }],
  ] as const)('HE19: %s within an answer is an engine_failed that another peer may heal', async (program, manners) => {
    const { server, engine } = await open(program);
    Object.assign(server.manners, manners);
    const events: EngineEvent[] = [];
    const reading = (async () => {
      for await (const event of engine.generate(ask(), never())) events.push(event);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'engine_failed', retryable: true });
    expect(events.length).toBeGreaterThan(0);
    expect(events.every(({ type }) => type === 'tokens')).toBe(true);
  });

  it('HE20: with an error in its stream fails with that', async () => {
    const error = { error: { code: 500, message: 'CUDA error', type: 'server_error' } };
    const engine = await openSaying([delta({ content: 'a' }), error]);
    await expect(answerOf(engine)).rejects.toMatchObject({
      code: 'engine_failed',
      message: expect.stringContaining('CUDA error'),
    });
  });

  it.each([
    [400, '{"error":{"message":"schema has no type"}}', 'invalid_request', 'schema has no type'],
    [422, '{"detail":"bad seed"}', 'invalid_request', 'bad seed'],
    [401, '{"error":{"message":"Incorrect API key: sk-1234"}}', 'engine_failed', 'TABMESH_ENGINE_KEY'],
    [404, '{"error":"model \'x\' not found"}', 'engine_failed', 'not found'],
    [413, '', 'payload_too_large', 'too large'],
    [429, '', 'peer_busy', 'no free slot'],
    [500, 'Internal Server Error', 'engine_failed', 'Internal Server Error'],
    [503, '{"error":{"message":"Loading model"}}', 'engine_failed', 'Loading model'],
  ])('HE21: status %d becomes its code, and a key is never told', async (status, body, code, message) => {
    const { server, engine } = await open('vllm');
    server.manners.refuse = { status, body, headers: { 'retry-after': '7' } };
    const error = await eventsOf(engine).catch((failure: unknown) => failure);
    if (!MeshError.is(error)) throw error;
    expect(error).toMatchObject({ code, retryable: code === 'engine_failed' || code === 'peer_busy' });
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('sk-1234');
    if (code === 'peer_busy') expect(error.details.waitMs).toBe(7000);
  });

  it.each([
    ['llama-server', 500, 'Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...'],
    ['vllm', 400, 'After the optional system message, conversation roles must alternate user and assistant'],
  ] as const)(
    'HE32: %s is asked again in turns where the template of its model refuses',
    async (program, status, said) => {
      const { server, engine } = await open(program);
      server.manners.refuseRows = { status, body: JSON.stringify({ error: { message: said } }) };
      const messages = ['Hi', 'there'].map((content) => ({ role: 'user' as const, content }));
      const { text } = await answerOf(engine, { ...ask(), messages });
      server.manners.refuseRows = undefined;
      const { text: once } = await answerOf(engine, { ...ask(), messages: [{ role: 'user', content: 'Hi\n\nthere' }] });
      expect(text).toBe(once);
      server.manners.refuse = { status, body: JSON.stringify({ error: { message: said } }) };
      await expect(answerOf(engine)).rejects.toMatchObject({
        code: 'invalid_request',
        details: { param: 'messages' },
        message: expect.stringContaining('must alternate'),
      });
    },
  );

  it.each([
    ['llama-server', '{"error":{"message":"x","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":512}}'],
    [
      'vLLM before 0.10',
      `{"message":"This model's maximum context length is 512 tokens. However, you requested 9100 tokens (9000 in the messages, 100 in the completion)."}`,
    ],
    ['SGLang', `{"message":"The input (9000 tokens) is longer than the model's context length (512 tokens)."}`],
    [
      'Ollama since 0.40',
      JSON.stringify({ error: '{"error":{"message":"exceeds the available context size","n_prompt_tokens":9000}}' }),
    ],
    [
      'LM Studio',
      '{"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 512"}',
    ],
  ])(
    'HE22: a prompt that is too long in the words of %s is a context_length_exceeded with both counts',
    async (_, body) => {
      const { server, engine } = await open('llama-server');
      server.manners.refuse = { status: 400, body };
      await expect(eventsOf(engine)).rejects.toMatchObject({
        code: 'context_length_exceeded',
        details: { promptTokens: 9000, contextTokens: CONTEXT_TOKENS },
      });
    },
  );

  it.each(['vllm', 'ollama'] as const)(
    'HE23: a message of %s without end is given up before it fills the memory',
    async (program) => {
      const { server, engine } = await open(program);
      server.manners.floods = true;
      await expect(eventsOf(engine)).rejects.toMatchObject({
        code: 'engine_failed',
        message: expect.stringContaining('without an end'),
      });
    },
  );
});

describe('a server that goes away', () => {
  it('HE30: for one connection only is asked again on another', async () => {
    const { server, engine } = await open('vllm');
    server.manners.hangsUp = true;
    expect((await answerOf(engine)).text).not.toBe('');
    expect(server.manners.hangsUp).toBe(false);
  });

  it('HE24: is noticed by the answer that it breaks, and the engine is lost once', async () => {
    const { server, engine } = await open('vllm');
    const losses: Error[] = [];
    const lost = new Promise<void>((resolve) => {
      engine.onLost((error) => {
        losses.push(error);
        resolve();
      });
    });
    await server.close();
    await expect(eventsOf(engine)).rejects.toMatchObject({
      code: 'engine_failed',
      retryable: true,
      // Not the address, which is nobody's business in the mesh.
      message: "The engine failed: its server can't be reached (ECONNREFUSED).",
    });
    await lost;
    await expect(eventsOf(engine)).rejects.toMatchObject({ code: 'engine_failed', retryable: true });
    expect(losses).toHaveLength(1);
  });

  it('HE25: is noticed within 10 s by an idle engine; one that only refuses is not lost', async () => {
    const clock = new ManualClock();
    const { server, engine } = await open('ollama', { clock });
    let isLost = false;
    const lost = new Promise<void>((resolve) => {
      engine.onLost(() => {
        isLost = true;
        resolve();
      });
    });
    const checked = server.nextEnd();
    await clock.advance(10_000);
    await checked;
    expect(isLost).toBe(false);
    // The next check is set once this one is over.
    await turns(() => clock.pendingTimers() === 1);
    await server.close();
    await clock.advance(10_000);
    await lost;
    expect(clock.pendingTimers()).toBe(0);
  });

  it('HE26: a closed engine checks nothing any more', async () => {
    const clock = new ManualClock();
    const { engine } = await open('vllm', { clock });
    await engine.close();
    expect(clock.pendingTimers()).toBe(0);
  });
});

/** Until what the engine does by itself is done. */
async function turns(until: () => boolean): Promise<void> {
  while (!until()) await new Promise(setImmediate);
}
