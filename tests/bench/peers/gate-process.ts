/** The API of an entry in a process of its own, over a mesh without a network. */
import type { AddressInfo } from 'node:net';
import { type ModelId, silentLogger, systemClock } from '@tabmesh/shared';
import { buildServer } from '../../../signaling/src/build-server.ts';
import { modelAskedFor, passGate, slaHeaders, slaVerdict } from '../../../signaling/src/gate/gate.ts';
import { answerCalls } from '../run/answer-calls.ts';
import { type CrowdedMesh, createCrowdedMesh, crowdedModels } from './crowded-mesh.ts';

export type GateCalls = {
  /** `asked`: the models that requests go to, each measured in full by this end. */
  start(options: { peers: number; models: number }): Promise<{ url: string; asked: ModelId[] }>;
  /** Microseconds of the gate and the router, request by request. */
  gateAndRoute(count: number): Promise<number[]>;
};

let crowded: CrowdedMesh | undefined;
let asked: ModelId[] = [];

answerCalls<GateCalls>({
  async start({ peers, models }) {
    asked = crowdedModels(models);
    crowded = createCrowdedMesh({ peers, models: asked });
    const app = buildServer({ mesh: crowded.mesh, version: 'bench', clock: systemClock, logger: silentLogger });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/v1`, asked };
  },
  async gateAndRoute(count) {
    if (crowded === undefined) throw new Error('There is no mesh yet.');
    const times: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const body = { model: asked[index % asked.length] };
      const startMs = performance.now();
      const chosen = await decide(crowded, body);
      times.push((performance.now() - startMs) * 1000);
      crowded.record(chosen.peerId, chosen.model);
    }
    return times;
  },
});

/** In the order of `api/chat-completions.ts`, up to the peer that is chosen. */
async function decide({ mesh }: CrowdedMesh, body: unknown) {
  const model = modelAskedFor(mesh, body);
  if (model === undefined) throw new Error('Nobody serves the model.');
  const verdict = slaVerdict(mesh, model);
  const headers = slaHeaders(verdict);
  const request = { model, messages: [{ role: 'user' as const, content: 'Hello' }] };
  const outcome = await passGate({ model, verdict, request, address: '', fallback: undefined }, neverAborted);
  const answer = mesh.complete(request, neverAborted)[Symbol.asyncIterator]();
  const { value: route } = await answer.next();
  await answer.return?.();
  if (route?.type !== 'route') throw new Error('Nobody can answer.');
  return { model, peerId: route.peerId, headers, outcome };
}

const neverAborted = new AbortController().signal;
