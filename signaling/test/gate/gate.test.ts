import { type Measured, MeshError, ModelId, type PeerId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { question, startServer } from '../setup/start-server.ts';

const daily = ModelId.parse('Qwen3-8B');

describe('the headers of the gate', () => {
  it('GT6: an answer tells status, tier, candidates and the best figures, streaming or not', async () => {
    const { app } = startServer();
    for (const url of ['/v1/chat/completions', '/api/chat']) {
      for (const stream of [false, true]) {
        const reply = await app.inject({ method: 'POST', url, payload: { ...question, stream } });

        expect(reply.statusCode).toBe(200);
        expect(reply.headers).toMatchObject({
          'x-tabmesh-sla-status': 'meets-sla',
          'x-tabmesh-sla-tier': 'experimental',
          'x-tabmesh-sla-candidates': '1',
          'x-tabmesh-sla-best-ttft-ms': '80',
          'x-tabmesh-sla-best-tps': '40',
          'x-tabmesh-served-by': 'mesh',
          'x-tabmesh-fallback-status': 'not-needed',
        });
      }
    }
  });

  it.each([
    ['meets-sla', [figures(900, 12.345)], '900', '12.35'],
    ['no-measurements', [null], undefined, undefined],
    ['ttft-too-high', [figures(4_000, 20)], '4000', '20'],
    ['tps-too-low', [figures(100, 2), null], '100', '2'],
    ['both-too-low', [figures(24_925, 1.09)], '24925', '1.09'],
  ] as const)('GT6: %s is told for the model that was named', async (status, measured, bestTtft, bestRate) => {
    const { mesh, post } = startServer();
    serve(mesh, daily, measured);

    const { headers } = await post({ ...question, model: daily });

    expect(headers['x-tabmesh-sla-status']).toBe(status);
    expect(headers['x-tabmesh-sla-tier']).toBe('daily-driver');
    expect(headers['x-tabmesh-sla-candidates']).toBe(String(measured.length));
    expect(headers['x-tabmesh-sla-best-ttft-ms']).toBe(bestTtft);
    expect(headers['x-tabmesh-sla-best-tps']).toBe(bestRate);
  });

  it('GT7: a refusal tells them too, when its model was named', async () => {
    const { post } = startServer();

    const reply = await post({ ...question, model: daily });

    expect(reply.statusCode).toBe(503);
    expect(reply.headers).toMatchObject({
      'x-tabmesh-sla-status': 'no-peer-with-model',
      'x-tabmesh-sla-candidates': '0',
      'x-tabmesh-fallback-status': 'fallback-disabled',
    });
    expect(reply.headers['x-tabmesh-served-by']).toBeUndefined();
  });

  it('GT7: so does a body with a wrong field, and a mesh that fails', async () => {
    const { post } = startServer([{ fail: MeshError.meshBusy(1_000) }]);

    const wrong = await post({ ...question, model: 'mesh-tiny', temperature: 9 });
    const busy = await post({ ...question, model: 'mesh-tiny' });

    expect([wrong.statusCode, busy.statusCode]).toEqual([400, 429]);
    for (const { headers } of [wrong, busy]) {
      expect(headers).toMatchObject({
        'x-tabmesh-sla-status': 'meets-sla',
        'x-tabmesh-fallback-status': 'not-needed',
      });
    }
  });

  it('GT7: where no model was named and none is served, or the name is none, there is nothing to tell', async () => {
    const { mesh, post } = startServer();

    const badName = await post({ ...question, model: ' no name ' });
    mesh.models = () => [];
    const nothing = await post(question);

    expect([badName.statusCode, nothing.statusCode]).toEqual([404, 503]);
    expect(badName.headers['x-tabmesh-sla-status']).toBeUndefined();
    expect(nothing.headers['x-tabmesh-sla-status']).toBeUndefined();
  });

  it('GT8: the list of models tells what the gate would say of each', async () => {
    const { app, mesh } = startServer();
    serve(mesh, daily, [figures(100, 2)]);

    const list = (await app.inject('/v1/models')).json();
    const one = await app.inject(`/v1/models/${daily}`);

    expect(list.data[0].tabmesh.sla).toBe('tps-too-low');
    expect(one.json().tabmesh.sla).toBe('tps-too-low');
    expect(one.headers['x-tabmesh-sla-status']).toBe('tps-too-low');
  });
});

function figures(ttftMs: number, tokensPerSecond: number): Measured {
  return {
    ttftMs,
    ttftP95Ms: ttftMs,
    tokensPerSecond,
    tokensPerSecondP95: tokensPerSecond,
    sampleCount: 3,
    ageMs: 0,
  };
}

/** One peer per figure. */
function serve(
  mesh: ReturnType<typeof startServer>['mesh'],
  id: ModelId,
  measured: readonly (Measured | null)[],
): void {
  const peers = measured.map((_, index) => `${index}${mesh.servedBy.slice(1)}` as PeerId);
  mesh.models = () => [{ id, peers, contextTokens: 1024 }];
  mesh.measurementsOf = () => peers.map((peerId, index) => ({ peerId, measured: measured[index] ?? null }));
}
