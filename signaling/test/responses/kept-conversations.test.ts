import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { MAX_STORED_CONVERSATION_BYTES, STORED_RESPONSE_MS } from '../../src/limits/limits.ts';
import { startKeptResponses } from '../setup/start-kept-responses.ts';
import { call, eventsOf, weather } from '../setup/start-responses.ts';

const notFound = { code: 'response_not_found', type: 'invalid_request_error' };

async function untilAsked(mesh: ReturnType<typeof startKeptResponses>['mesh'], count: number) {
  while (mesh.requests.length < count) await new Promise((resolve) => setImmediate(resolve));
}

describe('a response that is kept', () => {
  it.each([{}, { store: true }, { store: null }])('AP141: is read again as it was told (%j)', async (fields) => {
    const { alice } = startKeptResponses();
    const response = (await alice.post({ input: 'Hi', ...fields })).json();
    const again = await alice.get(response.id);
    expect(again.statusCode).toBe(200);
    expect(again.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(again.json()).toEqual(response);
  });

  it('AP141: is read again when it was streamed, and when it was cut off', async () => {
    const { alice, mesh } = startKeptResponses();
    const [, ...events] = eventsOf((await alice.post({ input: 'Hi', stream: true })).body);
    const last = events.at(-1)?.response as { readonly id: string };
    expect((await alice.get(last.id)).json()).toEqual(last);

    mesh.script = [{ say: 'Half' }, { fail: MeshError.peerLost('gone') }];
    const failed = eventsOf((await alice.post({ input: 'Hi', stream: true })).body).at(-1)?.response as typeof last;
    expect((await alice.get(failed.id)).json()).toMatchObject({ status: 'failed', output: [{ status: 'incomplete' }] });
  });

  it('AP141: is gone after an hour, and the refusal says how to go on', async () => {
    const { alice, clock } = startKeptResponses();
    const { id, output } = (await alice.post({ input: 'Hi' })).json();
    await clock.advance(STORED_RESPONSE_MS - 1);
    expect((await alice.get(id)).statusCode).toBe(200);
    await clock.advance(1);

    const gone = await alice.get(id);
    expect(gone.statusCode).toBe(404);
    expect(gone.json().error).toMatchObject({ ...notFound, message: expect.stringContaining('Create it again.') });
    for (const [param, fields] of [
      ['previous_response_id', { input: 'And?', previous_response_id: id }],
      ['input[0].id', { input: [{ type: 'item_reference', id: output[0].id }] }],
    ] as const) {
      const refused = await alice.post(fields);
      expect(refused.statusCode).toBe(404);
      const message = expect.stringContaining('Send the conversation itself as input.');
      expect(refused.json().error).toMatchObject({ ...notFound, param, message });
      expect(refused.headers['x-tabmesh-sla-tier']).toBe('experimental');
    }
  });

  it('AP141: is none with store false', async () => {
    const { alice } = startKeptResponses();
    const { id, store } = (await alice.post({ input: 'Hi', store: false })).json();
    expect(store).toBe(false);
    expect((await alice.get(id)).json().error).toMatchObject(notFound);
  });

  it('AP141: is forgotten when it is deleted', async () => {
    const { alice } = startKeptResponses();
    const { id } = (await alice.post({ input: 'Hi' })).json();
    expect((await alice.remove(id)).json()).toEqual({ id, object: 'response', deleted: true });
    for (const reply of [await alice.get(id), await alice.remove(id)]) {
      expect(reply.statusCode).toBe(404);
      expect(reply.json().error).toMatchObject(notFound);
    }
  });
});

describe('a conversation that goes on', () => {
  it('AP142: behind a response has all that was said, and only the new instructions', async () => {
    const { alice, mesh } = startKeptResponses();
    const first = (await alice.post({ input: 'One', instructions: 'Be brief.' })).json();
    const second = (await alice.post({ input: 'Two', previous_response_id: first.id })).json();
    await alice.post({ input: 'Three', previous_response_id: second.id, instructions: 'Be kind.' });

    expect(second.previous_response_id).toBe(first.id);
    expect(mesh.requests.at(-1)?.messages).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'Hello there' },
      { role: 'user', content: 'Two' },
      { role: 'assistant', content: 'Hello there' },
      { role: 'user', content: 'Three' },
    ]);
  });

  it('AP142: goes on when the response before was deleted: each has its whole conversation', async () => {
    const { alice, mesh } = startKeptResponses();
    const first = (await alice.post({ input: 'One' })).json();
    const second = (await alice.post({ input: 'Two', previous_response_id: first.id })).json();
    await alice.remove(first.id);
    expect((await alice.post({ input: 'Three', previous_response_id: second.id })).statusCode).toBe(200);
    expect(mesh.requests.at(-1)?.messages).toHaveLength(5);
  });

  it('AP142: refers to items of answers, calls too', async () => {
    const { alice, mesh } = startKeptResponses([{ say: 'I look.' }, { say: call }]);
    const { output } = (await alice.post({ input: 'Warm?', tools: [weather] })).json();
    mesh.script = [{ say: 'Yes.' }];

    const second = await alice.post({
      input: [
        { role: 'user', content: 'Warm?' },
        { type: 'item_reference', id: output[0].id },
        { id: output[1].id },
        { type: 'function_call_output', call_id: output[1].call_id, output: '21' },
      ],
      tools: [weather],
    });

    expect(second.statusCode).toBe(200);
    const [, , assistant, result] = mesh.requests.at(-1)?.messages ?? [];
    expect(assistant?.content).toContain('I look.');
    expect(assistant?.content).toContain('"city": "Paris"');
    expect(result?.content).toContain('21');
  });

  it('AP142: is listed item by item, with ids and parts, page by page', async () => {
    const { alice } = startKeptResponses();
    const first = (await alice.post({ input: 'One' })).json();
    const { id } = (
      await alice.post({
        input: [
          { role: 'developer', content: 'Be kind.' },
          { role: 'user', content: 'Two' },
        ],
        previous_response_id: first.id,
      })
    ).json();

    const all = (await alice.get(`${id}/input_items?order=asc`)).json();
    expect(all).toMatchObject({
      object: 'list',
      has_more: false,
      data: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'One' }] },
        { ...first.output[0], content: [{ type: 'output_text', text: 'Hello there' }] },
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Be kind.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Two' }] },
      ],
    });
    const ids = all.data.map((item: { readonly id: string }) => item.id);
    expect(new Set(ids).size).toBe(4);
    const page = (await alice.get(`${id}/input_items?limit=3`)).json();
    expect(page).toMatchObject({ first_id: ids[3], last_id: ids[1], has_more: true });
    const rest = (await alice.get(`${id}/input_items?limit=3&after=${page.last_id}`)).json();
    expect(rest).toMatchObject({ first_id: ids[0], last_id: ids[0], has_more: false });
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'after=nothing', 'limit=1&limit=2'])(
    'AP142: is listed by no wrong page (%s)',
    async (query) => {
      const { alice } = startKeptResponses();
      const { id } = (await alice.post({ input: 'One' })).json();
      const refused = await alice.get(`${id}/input_items?${query}`);
      expect(refused.statusCode).toBe(400);
      expect(refused.json().error).toMatchObject({ code: 'invalid_request', param: query.split('=')[0] });
    },
  );

  it('AP142: that has grown past what goes on here is refused by its name', async () => {
    const { alice } = startKeptResponses();
    let previous: string | undefined;
    const lengths: number[] = [];
    const long = 'x'.repeat(700_000);
    for (let bytes = 0; bytes <= MAX_STORED_CONVERSATION_BYTES; bytes += long.length) {
      const { id } = (await alice.post({ input: long, previous_response_id: previous })).json();
      lengths.push(bytes);
      previous = id;
    }
    const refused = await alice.post({ input: 'And?', previous_response_id: previous });
    expect(lengths).toHaveLength(2);
    expect(refused.statusCode).toBe(400);
    expect(refused.json().error).toMatchObject({ code: 'invalid_request', param: 'previous_response_id' });
  });
});

describe('much that is kept', () => {
  it('AP142: is not asked for again and again by one small request', async () => {
    const { alice, mesh } = startKeptResponses();
    const { output } = (await alice.post({ input: 'x'.repeat(300_000) })).json();
    const [{ id }] = (
      await alice.get(`${(await alice.post({ input: 'y'.repeat(300_000) })).json().id}/input_items`)
    ).json().data;
    const asked = mesh.requests.length;
    const refused = await alice.post({ input: Array.from({ length: 5 }, () => ({ type: 'item_reference', id })) });
    expect(refused.statusCode).toBe(400);
    expect(refused.json().error).toMatchObject({ param: 'input[3].id', message: expect.stringContaining('1024 KB') });
    expect(mesh.requests).toHaveLength(asked);
    const often = Array.from({ length: 1_000 }, () => ({ type: 'item_reference', id: output[0].id }));
    expect((await alice.post({ input: often })).statusCode).toBe(200);
  });

  it('AP142: is read of a few long conversations only', async () => {
    const { alice } = startKeptResponses();
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      ids.push((await alice.post({ input: 'x'.repeat(1_000_000) })).json().output[0].id);
    }
    const input = ids.map((id) => ({ type: 'item_reference', id }));
    const refused = await alice.post({ input });
    expect(refused.statusCode).toBe(400);
    expect(refused.json().error).toMatchObject({ param: 'input[4].id' });
    expect((await alice.post({ input: input.slice(0, 4) })).statusCode).toBe(200);
  });

  it('AP142: counts towards what the open requests of a client hold, also in the background', async () => {
    for (const background of [false, true]) {
      const { alice, bob, app, mesh } = startKeptResponses();
      const { id } = (await alice.post({ input: 'x'.repeat(1_000_000) })).json();
      mesh.script = ['hang'];
      const ask = { input: 'And?', previous_response_id: id, background };
      const waiting = Array.from({ length: 15 }, () => alice.post(ask));
      await untilAsked(mesh, 16);
      const refused = await alice.post({ ...ask, input: 'y'.repeat(900_000) });
      expect(refused.statusCode).toBe(429);
      mesh.script = [{ say: 'Yes' }];
      expect((await bob.post({ input: 'Hi' })).statusCode).toBe(200);
      void Promise.allSettled(waiting);
      await app.close();
    }
  });
});

describe('the responses of another key', () => {
  it('AP143: are neither read nor deleted, cancelled, listed nor referred to', async () => {
    const { alice, bob, mesh } = startKeptResponses();
    const { id, output } = (await alice.post({ input: 'My secret' })).json();
    const asked = mesh.requests.length;
    for (const reply of [
      await bob.get(id),
      await bob.get(`${id}/input_items`),
      await bob.get(`${id}?stream=true`),
      await bob.remove(id),
      await bob.post({}, `/${id}/cancel`),
      await bob.post({ input: 'And?', previous_response_id: id }),
      await bob.post({ input: [{ type: 'item_reference', id: output[0].id }] }),
      await bob.post({ input: 'And?', previous_response_id: id }, '/input_tokens'),
    ]) {
      expect(reply.statusCode).toBe(404);
      expect(reply.json().error).toMatchObject(notFound);
      expect(reply.body).not.toContain('secret');
    }
    expect(mesh.requests).toHaveLength(asked);
    expect((await alice.get(id)).statusCode).toBe(200);
  });

  it('AP143: are asked for with a key, by every way', async () => {
    const { app } = startKeptResponses();
    for (const [method, url] of [
      ['GET', '/v1/responses/resp_1'],
      ['GET', '/v1/responses/resp_1/input_items'],
      ['DELETE', '/v1/responses/resp_1'],
      ['POST', '/v1/responses/resp_1/cancel'],
      ['POST', '/v1/responses/input_tokens'],
    ] as const) {
      expect((await app.inject({ method, url })).json().error).toMatchObject({ code: 'invalid_api_key' });
    }
  });
});

describe('the count of an input', () => {
  it('AP145: is a peer that counts it, with the conversation and the tools', async () => {
    const { alice, mesh } = startKeptResponses();
    const first = (await alice.post({ input: 'One' })).json();
    const counted = await alice.post(
      { input: 'Two', instructions: 'Be brief.', previous_response_id: first.id, tools: [weather] },
      '/input_tokens',
    );
    expect(counted.json()).toEqual({ object: 'response.input_tokens', input_tokens: 5 });
    expect(counted.headers['x-tabmesh-peer']).toBe(mesh.servedBy);
    const { messages, maxTokens } = mesh.requests.at(-1) ?? {};
    expect(maxTokens).toBe(1);
    expect(messages?.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(messages?.[0]?.content).toContain('<tools>');
  });
});
