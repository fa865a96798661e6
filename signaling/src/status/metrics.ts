/** `GET /api/metrics?range=24h|7d|30d`: mesh share, this week, milestones and hourly series from the ledger. */
import { type Clock, MeshError, ModelId } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Ledger } from '../ledger/ledger.ts';
import { metricsReport } from '../ledger/metrics-report.ts';

const Query = z.object({
  range: z.enum(['24h', '7d', '30d']).default('24h'),
  /** Narrows the series to one model; failed answers have none. */
  model: z.optional(ModelId),
});

export interface MetricsParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
}

export function registerMetrics(app: FastifyInstance, { ledger, clock }: MetricsParts): void {
  app.get('/api/metrics', async (request, reply) => {
    const query = Query.safeParse(request.query);
    if (!query.success) throw wrongQuery(query.error.issues[0]?.path[0]);
    reply.header('cache-control', 'no-store');
    return metricsReport(ledger, clock.wallMs(), query.data);
  });
}

function wrongQuery(field: PropertyKey | undefined): MeshError {
  return field === 'model'
    ? new MeshError('invalid_request', "'model' is no model's name. Leave it out for all models.", {
        details: { param: 'model' },
      })
    : new MeshError('invalid_request', "'range' must be one of 24h, 7d and 30d.", { details: { param: 'range' } });
}
