import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { question, startServer } from '../setup/start-server.ts';

describe('retry-after', () => {
  it.each([
    [1e300, '3600'],
    [Number.POSITIVE_INFINITY, '3600'],
    [Number.MAX_VALUE, '3600'],
    [3_600_001, '3600'],
    [1_000.001, '2'],
    [0.1, '1'],
    [0, '1'],
    [-5, '1'],
    [Number.NEGATIVE_INFINITY, '1'],
  ])('AP105: of a wait of %d ms is %s', async (waitMs, seconds) => {
    for (const details of [{ waitMs }, { retryAfterMs: waitMs }]) {
      const { post } = startServer([{ fail: new MeshError('mesh_busy', 'Busy.', { retryable: true, details }) }]);
      expect((await post(question)).headers['retry-after']).toBe(seconds);
    }
  });

  it('AP105: of what is no number is that of an unknown wait', async () => {
    const unknown = startServer([{ fail: new MeshError('mesh_busy', 'Busy.', { retryable: true }) }]);
    const nothing = startServer([
      { fail: new MeshError('mesh_busy', 'Busy.', { retryable: true, details: { waitMs: Number.NaN } }) },
    ]);
    const expected = (await unknown.post(question)).headers['retry-after'];
    expect(expected).toMatch(/^[1-9]\d*$/);
    expect((await nothing.post(question)).headers['retry-after']).toBe(expected);
  });
});
