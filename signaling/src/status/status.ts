/** `GET /api/status`: the roster as this entry sees it; `/healthz` and `/readyz` for whoever supervises it. */
import { type Mesh, MeshError, type MeshModel, type MeshPeer, meshEfficiency, tierOf } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import type { Fallback } from '../fallback/fallback.ts';

export interface StatusParts {
  readonly mesh: Mesh | Promise<Mesh>;
  readonly version: string;
  readonly fallback?: Pick<Fallback, 'host' | 'models'> | undefined;
}

export function registerStatus(app: FastifyInstance, parts: StatusParts): void {
  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/readyz', async () => {
    const model = (await parts.mesh).defaultModel();
    if (model !== undefined) return { status: 'ready', model };
    throw new MeshError('no_peer_with_model', 'No peer serves a model yet. Lend one, or ask again in a few seconds.');
  });

  app.get('/api/status', async () => toStatus(await parts.mesh, parts));
}

export function toStatus(member: Mesh, { version, fallback }: Pick<StatusParts, 'version' | 'fallback'>) {
  return {
    entry: {
      peerId: member.peerId,
      version,
      connection: member.connection(),
    },
    defaultModel: member.defaultModel() ?? null,
    // Whose prompts may leave the mesh and where to, so that a page can say it beforehand.
    fallback: { enabled: fallback !== undefined, host: fallback?.host ?? null, models: fallback?.models ?? [] },
    models: member.models().map(toModelStatus),
    peers: member.peers().map(toPeerStatus),
  };
}

export function toModelStatus({ id, contextTokens, peers }: MeshModel) {
  return { id, tier: tierOf(id), contextTokens, peers };
}

export function toPeerStatus({ peerId, name, announcement, linked, rttMs }: MeshPeer) {
  const { kind, state, version, memoryBytes, models, links } = announcement;
  return {
    peerId,
    name,
    role: kind,
    state,
    version,
    memoryBytes,
    linked,
    rttMs,
    models: models.map((model) => ({
      ...model,
      tier: tierOf(model.id),
      efficiency: meshEfficiency(model.measured, model.baseline)?.ratio ?? null,
    })),
    links,
  };
}
