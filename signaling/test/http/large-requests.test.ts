/** Many large bodies in one moment. */
import { describe, expect, it } from 'vitest';
import { LARGE_REQUEST_BYTES } from '../../src/limits/limits.ts';
import { startServer } from '../setup/start-server.ts';

describe('large requests', () => {
  it('AP104: take turns, and a small one that came last is answered in between', async () => {
    const { mesh, post } = startServer();
    const long = { messages: [{ role: 'user', content: 'x'.repeat(LARGE_REQUEST_BYTES) }] };
    const replies = await Promise.all([
      ...Array.from({ length: 10 }, () => post(long)),
      post({ messages: [{ role: 'user', content: 'small' }] }),
    ]);
    expect(replies.map(({ statusCode }) => statusCode)).toEqual(Array(11).fill(200));
    const order = mesh.requests.map(({ messages }) => messages[0]?.content.length);
    expect(order.filter((length) => length === LARGE_REQUEST_BYTES)).toHaveLength(10);
    expect(order.indexOf('small'.length)).toBeLessThan(5);
  });
});
