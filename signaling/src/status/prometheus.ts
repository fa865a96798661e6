/** `GET /api/prometheus`: this process, its answers since it started and the mesh as it sees it, for Prometheus. */
import type { Mesh } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Ledger } from '../ledger/ledger.ts';
import { MAX_PROMETHEUS_MODELS } from '../limits/limits.ts';

export interface PrometheusParts {
  readonly mesh: Mesh | Promise<Mesh>;
  readonly ledger: Ledger;
}

/** prom-client calls these gauges `_total`, which Prometheus keeps for counters. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
/** The label of the models past the limit. */
const OTHER_MODEL = 'other';

export function registerPrometheus(app: FastifyInstance, { mesh, ledger }: PrometheusParts): void {
  const register = new Registry();
  collectDefaultMetrics({ register });
  for (const name of MISNAMED) register.removeSingleMetric(name);
  const stopCounting = countAnswers(register, ledger);
  const updateGauges = gaugesOfMesh(register, ledger);
  app.addHook('onClose', async () => {
    stopCounting();
    register.clear();
  });

  app.get('/api/prometheus', async (_request, reply) => {
    updateGauges(await mesh);
    reply.header('content-type', register.contentType);
    return register.metrics();
  });
}

function countAnswers(register: Registry, ledger: Ledger): () => void {
  const registers = [register];
  const labelNames = ['served_by', 'model'] as const;
  const answers = new Counter({
    name: 'tabmesh_answers_total',
    help: 'Answers that ended, by who served them: mesh, fallback or failed.',
    labelNames: ['served_by'],
    registers,
  });
  for (const served_by of ['mesh', 'fallback', 'failed']) answers.inc({ served_by }, 0);
  const tokens = new Counter({
    name: 'tabmesh_answer_tokens_total',
    help: 'Completion tokens of answers that ended.',
    labelNames,
    registers,
  });
  const ttft = new Histogram({
    name: 'tabmesh_answer_ttft_seconds',
    help: 'Time from sending a prompt to its first token.',
    labelNames,
    buckets: [0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 15, 30, 60],
    registers,
  });
  const rate = new Histogram({
    name: 'tabmesh_answer_rate_tokens_per_second',
    help: 'Decode rate of an answer.',
    labelNames,
    buckets: [0.5, 0.8, 2, 4, 8, 12, 20, 35, 60, 100, 200, 500, 1_000, 2_000],
    registers,
  });
  const models = new Set<string>();
  return ledger.onCount((answer) => {
    answers.inc({ served_by: answer.servedBy });
    if (answer.servedBy === 'failed') return;
    if (models.size < MAX_PROMETHEUS_MODELS) models.add(answer.model);
    const labels = { served_by: answer.servedBy, model: models.has(answer.model) ? answer.model : OTHER_MODEL };
    // A counter refuses what is negative or no number by an error.
    if (answer.completionTokens > 0) tokens.inc(labels, answer.completionTokens);
    if (answer.ttftMs >= 0) ttft.observe(labels, answer.ttftMs / 1000);
    if (answer.tokensPerSecond !== null && answer.tokensPerSecond >= 0) rate.observe(labels, answer.tokensPerSecond);
  });
}

function gaugesOfMesh(register: Registry, ledger: Ledger): (mesh: Mesh) => void {
  const registers = [register];
  const peers = new Gauge({
    name: 'tabmesh_peers',
    help: 'Members of the mesh in this roster, this entry included.',
    labelNames: ['kind'],
    registers,
  });
  const models = new Gauge({ name: 'tabmesh_models', help: 'Models that can be served now.', registers });
  const links = new Gauge({ name: 'tabmesh_links', help: 'Peers with an open link to this entry.', registers });
  const waiting = new Gauge({
    name: 'tabmesh_ledger_waiting_counters',
    help: 'Counters that are not written to the ledger yet.',
    registers,
  });
  return (mesh) => {
    const known = mesh.peers();
    for (const kind of ['tab', 'native', 'entry', 'other'] as const) {
      peers.set({ kind }, known.filter(({ announcement }) => announcement.kind === kind).length);
    }
    models.set(mesh.models().length);
    links.set(known.filter(({ peerId, linked }) => linked && peerId !== mesh.peerId).length);
    waiting.set(ledger.waiting());
  };
}
