/** `GET /v1/models`: what can be served now, in OpenAI's list shape, with what the mesh knows in a `tabmesh` object. */
import { type Clock, type Mesh, MeshError, type MeshModel, type SlaVerdict } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import { slaHeaders, slaVerdict } from '../gate/gate.ts';
import { ECHOED_CHARS } from '../limits/limits.ts';

export interface ModelsParts {
  readonly mesh: Mesh | Promise<Mesh>;
  readonly clock: Clock;
}

export function registerModels(app: FastifyInstance, { mesh, clock }: ModelsParts): void {
  const created = Math.floor(clock.wallMs() / 1000);
  const toBody = ({ id, contextTokens, peers }: MeshModel, { tier, status }: SlaVerdict) => ({
    id,
    object: 'model',
    created,
    owned_by: 'tabmesh',
    tabmesh: { tier, contextTokens, peers: peers.length, sla: status },
  });

  app.get('/v1/models', async () => {
    const member = await mesh;
    return { object: 'list', data: member.models().map((model) => toBody(model, slaVerdict(member, model.id))) };
  });

  // A wildcard, because names such as `org/model` have slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params }, reply) => {
    const id = params['*'];
    const member = await mesh;
    const model = member.models().find((served) => served.id === id);
    if (model !== undefined) {
      const verdict = slaVerdict(member, model.id);
      reply.headers(slaHeaders(verdict));
      return toBody(model, verdict);
    }
    throw new MeshError(
      'model_not_found',
      `No peer serves '${id.slice(0, ECHOED_CHARS)}' right now. GET /v1/models lists the models that can be used.`,
      { details: { param: 'model' } },
    );
  });
}
