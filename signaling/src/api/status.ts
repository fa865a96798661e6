/** `GET /api/status`: the roster as this entry sees it; `/healthz` and `/readyz` for whoever supervises it. */
import { MeshError, type MeshPeer, tierOf } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import type { ServerParts } from '../build-server.ts';

export function registerStatus(app: FastifyInstance, { mesh, version }: ServerParts): void {
  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/readyz', async () => {
    const model = (await mesh).defaultModel();
    if (model !== undefined) return { status: 'ready', model };
    throw new MeshError('no_peer_with_model', 'No peer serves a model yet. Lend one, or ask again in a few seconds.');
  });

  app.get('/api/status', async () => {
    const member = await mesh;
    return {
      entry: {
        peerId: member.peerId,
        version,
        connection: member.connection(),
      },
      defaultModel: member.defaultModel() ?? null,
      models: member.models().map(({ id, contextTokens, peers }) => ({
        id,
        tier: tierOf(id),
        contextTokens,
        peers,
      })),
      peers: member.peers().map(toPeerStatus),
    };
  });
}

function toPeerStatus({ peerId, name, announcement, linked, rttMs }: MeshPeer) {
  const { kind, state, version, models } = announcement;
  return {
    peerId,
    name,
    kind,
    state,
    version,
    linked,
    rttMs,
    models: models.map((model) => ({ ...model, tier: tierOf(model.id) })),
  };
}
