import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { MAX_CLIENT_BACKGROUND_RESPONSES, STORED_RESPONSE_MS } from '../../src/limits/limits.ts';
import { startListening } from '../setup/listening-server.ts';
import { StreamedEvent, WholeResponse } from '../setup/open-responses-schema.ts';
import { startKeptResponses } from '../setup/start-kept-responses.ts';
import { eventsOf } from '../setup/start-responses.ts';

const ask = { input: 'Hi', background: true };

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

type Client = ReturnType<typeof startKeptResponses>['alice'];

/** Asks again until it is so; each reply takes turns of the event loop, so what is due by then happens. */
async function until(client: Client, id: string, status: string) {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const response = (await client.get(id)).json();
    if (response.status === status) return response;
  }
  throw new Error(`It never was ${status}.`);
}

describe('a response in the background', () => {
  it('AP144: is queued at once, in progress with a peer, and complete when it is', async () => {
    const [first, rest] = [gate(), gate()];
    const { alice, mesh } = startKeptResponses([{ wait: first.opened }, { say: 'One' }, { wait: rest.opened }]);
    const queued = (await alice.post(ask)).json();
    expect(queued).toMatchObject({ status: 'queued', background: true, store: true, output: [], usage: null });
    expect(WholeResponse.parse(queued)).toEqual(queued);
    await mesh.asked;
    expect((await alice.get(queued.id)).json().status).toBe('queued');
    first.open();
    await until(alice, queued.id, 'in_progress');
    rest.open();
    const done = await until(alice, queued.id, 'completed');

    expect(done).toMatchObject({ id: queued.id, output: [{ content: [{ text: 'One' }] }], usage: { input_tokens: 5 } });
    expect(WholeResponse.parse(done)).toEqual(done);
    const next = await alice.post({ input: 'And?', previous_response_id: queued.id });
    expect(next.statusCode).toBe(200);
    expect(mesh.requests.at(-1)?.messages).toHaveLength(3);
  });

  it('AP144: is kept for an hour from its end', async () => {
    const { alice, clock } = startKeptResponses();
    const { id } = (await alice.post(ask)).json();
    await until(alice, id, 'completed');
    await clock.advance(STORED_RESPONSE_MS);
    expect((await alice.get(id)).statusCode).toBe(404);
  });

  it('AP144: that fails says why', async () => {
    const { alice } = startKeptResponses([{ say: 'Half' }, { fail: MeshError.peerLost('gone') }]);
    const { id } = (await alice.post(ask)).json();
    const failed = await until(alice, id, 'failed');
    expect(failed).toMatchObject({
      error: { code: 'upstream_failed', message: expect.stringContaining('Try again') },
      output: [{ status: 'incomplete', content: [{ text: 'Half' }] }],
    });
  });

  it('AP144: that nobody takes has failed, by the name of its own field', async () => {
    const refusal = new MeshError('invalid_request', 'A sentence.', { details: { param: 'response_format' } });
    const { alice } = startKeptResponses([{ fail: refusal }]);
    const { id } = (await alice.post({ ...ask, text: { format: { type: 'json_object' } } })).json();
    expect((await until(alice, id, 'failed')).error).toEqual({ code: 'invalid_request', message: 'A sentence.' });
  });

  it('AP144: is cancelled once, with what was written, and the peer is free', async () => {
    const { alice, mesh } = startKeptResponses([{ say: 'One' }, 'hang']);
    const { id } = (await alice.post(ask)).json();
    await until(alice, id, 'in_progress');

    const cancelled = (await alice.post({}, `/${id}/cancel`)).json();

    await mesh.cancelled;
    expect(cancelled).toMatchObject({ id, status: 'cancelled' });
    expect(cancelled.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'One' }] }]);
    expect((await alice.post({}, `/${id}/cancel`)).json()).toEqual(cancelled);
    expect((await alice.get(id)).json()).toEqual(cancelled);
  });

  it('AP144: is cancelled when it is deleted, and when the entry closes', async () => {
    const { alice, app, mesh } = startKeptResponses(['hang']);
    const { id } = (await alice.post(ask)).json();
    await mesh.asked;
    expect((await alice.remove(id)).json()).toMatchObject({ deleted: true });
    await mesh.cancelled;
    expect((await alice.get(id)).statusCode).toBe(404);
    const other = startKeptResponses(['hang']);
    await other.alice.post(ask);
    await other.app.close();
    await other.mesh.cancelled;
    await app.close();
  });

  it('AP144: is all that can be cancelled', async () => {
    const { alice } = startKeptResponses();
    const { id } = (await alice.post({ input: 'Hi' })).json();
    const refused = await alice.post({}, `/${id}/cancel`);
    expect(refused.statusCode).toBe(400);
    expect(refused.json().error.message).toContain("'background'");
  });

  it("AP144: belongs to its client, and has a bound of it: others' are taken", async () => {
    const { alice, bob } = startKeptResponses(['hang']);
    let id = '';
    for (let count = 0; count < MAX_CLIENT_BACKGROUND_RESPONSES; count += 1) id = (await alice.post(ask)).json().id;
    const refused = await alice.post(ask);
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('2');
    expect((await bob.post(ask)).statusCode).toBe(200);
    for (const reply of [await bob.get(id), await bob.get(`${id}/input_items`), await bob.post({}, `/${id}/cancel`)]) {
      expect(reply.statusCode).toBe(404);
    }
    expect((await alice.get(`${id}/input_items`)).json().data).toMatchObject([{ role: 'user' }]);
    await alice.post({}, `/${id}/cancel`);
    expect((await alice.post(ask)).statusCode).toBe(200);
  });
});

describe('a stream from the background', () => {
  const streamed = { ...ask, stream: true };

  it('AP144: is told from the start, and again from any event, while it grows and afterwards', async () => {
    const rest = gate();
    const { alice } = startKeptResponses([{ say: 'One' }, { wait: rest.opened }, { say: ' two' }]);
    const telling = alice.post(streamed);
    // Its request has arrived by the time that another is answered.
    expect((await alice.get('resp_none')).statusCode).toBe(404);
    rest.open();
    const events = eventsOf((await telling).body);
    for (const event of events) expect(StreamedEvent.parse(event)).toEqual(event);
    expect(events.map(({ type }) => type).slice(0, 3)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { status: 'completed' } });
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));

    const [, id] = /"id":"(resp_[0-9a-f]{32})"/.exec(JSON.stringify(events[0])) ?? [];
    const whole = await alice.get(`${id}?stream=true`);
    expect(whole.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(eventsOf(whole.body)).toEqual(events);
    expect(eventsOf((await alice.get(`${id}?stream=true&starting_after=3`)).body)).toEqual(events.slice(4));
  });

  it('AP144: goes on when its reader leaves, joins in where it is, and ends for all when it is cancelled', async () => {
    const { mesh, url } = await startListening([{ say: 'One' }, 'hang']);
    const body = JSON.stringify(streamed);
    const headers = { 'content-type': 'application/json' };
    const leaving = await fetch(`${url}/v1/responses`, { method: 'POST', headers, body });
    const reader = leaving.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"delta":"One"')) text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    const [, id] = /"id":"(resp_[0-9a-f]{32})"/.exec(text) ?? [];
    const following = fetch(`${url}/v1/responses/${id}?stream=true&starting_after=1`).then((reply) => reply.text());
    expect((await (await fetch(`${url}/v1/responses/${id}`)).json()).status).toBe('in_progress');

    await fetch(`${url}/v1/responses/${id}/cancel`, { method: 'POST' });

    await mesh.cancelled;
    const followed = eventsOf(await following);
    expect(followed[0]).toMatchObject({ type: 'response.in_progress', sequence_number: 2 });
    expect(followed.at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } });
  });

  it.each(['', '&starting_after=1'])('AP144: is none of a response that was not streamed (%s)', async (query) => {
    const { alice } = startKeptResponses();
    for (const fields of [{ input: 'Hi' }, ask]) {
      const { id } = (await alice.post(fields)).json();
      const refused = await alice.get(`${id}?stream=true${query}`);
      expect(refused.statusCode).toBe(400);
      expect(refused.json().error).toMatchObject({ code: 'invalid_request', param: 'stream' });
    }
  });
});
