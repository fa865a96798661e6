/** `GET /v1/models`: what can be served now, in OpenAI's list shape, with what the mesh knows in a `tabmesh` object. */
import { MeshError, type MeshModel, tierOf } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import type { ServerParts } from '../build-server.ts';

export function registerModels(app: FastifyInstance, { mesh, clock }: ServerParts): void {
  const created = Math.floor(clock.wallMs() / 1000);
  const toBody = ({ id, contextTokens, peers }: MeshModel) => ({
    id,
    object: 'model',
    created,
    owned_by: 'tabmesh',
    tabmesh: { tier: tierOf(id), contextTokens, peers: peers.length },
  });

  app.get('/v1/models', async () => ({
    object: 'list',
    data: (await mesh).models().map(toBody),
  }));

  // A wildcard, because names such as `org/model` have slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params }) => {
    const id = params['*'];
    const model = (await mesh).models().find((served) => served.id === id);
    if (model !== undefined) return toBody(model);
    throw new MeshError(
      'model_not_found',
      `No peer serves '${id.slice(0, 200)}' right now. GET /v1/models lists the models that can be used.`,
      { details: { param: 'model' } },
    );
  });
}
