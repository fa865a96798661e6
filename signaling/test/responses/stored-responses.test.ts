import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import type { ResponseItem } from '../../src/responses/response-input.ts';
import { StoredResponses, type StoreLimits } from '../../src/responses/stored-responses.ts';

const LIFE_MS = 1_000;

function startStore(limits: Partial<StoreLimits> = {}) {
  const clock = new ManualClock();
  return { clock, store: new StoredResponses(clock, { lifeMs: LIFE_MS, ...limits }) };
}

const question = (content: string): ResponseItem => ({
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text: content }],
});

function responseOf(name: string, text = 'Hello') {
  const message = { type: 'message', id: `msg_${name}`, role: 'assistant', content: [{ type: 'output_text', text }] };
  return { response: { id: `resp_${name}`, status: 'completed' as const, output: [message] }, items: [question('Hi')] };
}

function itemOf(store: StoredResponses, client: string, id: string) {
  return store
    .keptBy(client)
    .conversationWith(id)
    ?.items()
    .find((item) => item.id === id);
}

describe('the store of responses', () => {
  it('AP141: gives a response and its conversation for as long as it lives, and no longer', async () => {
    const { clock, store } = startStore();
    store.put('alice', responseOf('1'));
    await clock.advance(LIFE_MS - 1);
    expect(JSON.parse(String(store.get('alice', 'resp_1')?.json))).toEqual(responseOf('1').response);
    expect(store.keptBy('alice').conversationOf('resp_1')?.items()).toMatchObject([
      { role: 'user', content: [{ text: 'Hi' }] },
      { role: 'assistant', content: [{ text: 'Hello' }] },
    ]);
    expect(itemOf(store, 'alice', 'msg_1')).toMatchObject({ role: 'assistant' });

    await clock.advance(1);

    expect(store.get('alice', 'resp_1')).toBeUndefined();
    expect(itemOf(store, 'alice', 'msg_1')).toBeUndefined();
  });

  it('AP141: holds no memory of what is over, though nobody asks', async () => {
    const { clock, store } = startStore();
    store.put('alice', responseOf('1'));
    await clock.advance(LIFE_MS / 2);
    store.put('bob', responseOf('2'));
    expect(store.bytes).toBeGreaterThan(0);
    await clock.advance(LIFE_MS / 2);
    expect(store.size).toBe(1);
    await clock.advance(LIFE_MS / 2);
    expect(store.bytes).toBe(0);
  });

  it('AP141: forgets all when it is closed, and leaves no timer', async () => {
    const { clock, store } = startStore();
    store.put('alice', responseOf('1'));
    store.close();
    store.close();
    expect(store.bytes).toBe(0);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('AP143: none of it is told to another client', () => {
    const { store } = startStore();
    store.put('alice', responseOf('1'));
    const bob = store.keptBy('bob');
    expect(store.get('bob', 'resp_1')).toBeUndefined();
    expect(bob.conversationOf('resp_1')).toBeUndefined();
    expect(bob.conversationWith('msg_1')).toBeUndefined();
    expect(store.delete('bob', 'resp_1')).toBe(false);
    expect(store.get('alice', 'resp_1')).toBeDefined();
  });

  it('AP143: a client that stores too many loses its oldest, and nobody else any', () => {
    const { store } = startStore({ clientResponses: 3 });
    store.put('bob', responseOf('b'));
    for (const name of ['1', '2', '3', '4']) store.put('alice', responseOf(name));
    expect(store.get('alice', 'resp_1')).toBeUndefined();
    expect(store.get('alice', 'resp_2')).toBeDefined();
    expect(store.get('bob', 'resp_b')).toBeDefined();
  });

  it('AP143: a client that stores too much loses its oldest, by the bytes that are kept', () => {
    const { store } = startStore({ clientBytes: 10_000 });
    store.put('bob', responseOf('b'));
    for (const name of ['1', '2', '3']) store.put('alice', responseOf(name, 'x'.repeat(4_000)));
    expect(store.get('alice', 'resp_1')).toBeUndefined();
    expect(store.get('alice', 'resp_3')).toBeDefined();
    expect(store.get('bob', 'resp_b')).toBeDefined();
    expect(store.bytes).toBeLessThan(12_000);
  });

  it('AP143: what is larger than all that a client may keep is not kept, and costs it nothing', () => {
    const { store } = startStore({ clientBytes: 10_000 });
    store.put('alice', responseOf('1'));
    store.put('alice', responseOf('2', 'x'.repeat(10_000)));
    expect(store.get('alice', 'resp_2')).toBeUndefined();
    expect(store.get('alice', 'resp_1')).toBeDefined();
  });

  it.each<[string, Partial<StoreLimits>]>([
    ['bytes', { bytes: 12_000 }],
    ['responses', { responses: 10 }],
  ])('AP143: when it is full of %s, whoever has most loses the oldest', (_what, limits) => {
    const { store } = startStore(limits);
    for (const client of ['bob', 'carol']) store.put(client, responseOf(client));
    for (let index = 0; index < 50; index += 1) store.put('alice', responseOf(`a${index}`));
    expect(store.get('bob', 'resp_bob')).toBeDefined();
    expect(store.get('carol', 'resp_carol')).toBeDefined();
    expect(store.get('alice', 'resp_a0')).toBeUndefined();
    expect(store.get('alice', 'resp_a49')).toBeDefined();
    expect(store.size).toBeLessThan(20);
  });

  it('AP143: an item is found in the newest response that has it, when older ones are gone', () => {
    const { store } = startStore({ clientResponses: 1 });
    store.put('alice', responseOf('1'));
    const again = store.keptBy('alice').conversationOf('resp_1')?.items() ?? [];
    store.put('alice', { ...responseOf('2'), items: [...again, question('And?')] });
    expect(store.get('alice', 'resp_1')).toBeUndefined();
    expect(itemOf(store, 'alice', 'msg_1')).toMatchObject({ content: [{ text: 'Hello' }] });
    store.delete('alice', 'resp_2');
    expect(itemOf(store, 'alice', 'msg_1')).toBeUndefined();
  });
});
