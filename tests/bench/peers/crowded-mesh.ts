/**
 * A mesh as an entry with many peers has it, without the peers: the core's own roster views, measurement windows, gate
 * figures and chooser, wired as `mesh.ts` wires them, over announcements that were made up. Whoever is chosen, the instant
 * engine answers, so that a request costs what choosing costs.
 */
import {
  type Announcement,
  CATALOG,
  ClassId,
  createIdentity,
  defaultModel,
  type Mesh,
  ModelId,
  type PeerId,
  type ServedModel,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createSeededRandom, VirtualMesh } from '@tabmesh/shared/testing';
import { Measurements } from '../../../shared/src/measurement/measurements.ts';
import { modelsServedBy, servingAmong } from '../../../shared/src/membership/served-models.ts';
import { createChooser } from '../../../shared/src/mesh/chooser.ts';
import type { AnswerNeeds } from '../../../shared/src/requesting/answer-options.ts';
import { createInstantEngine } from './instant-engine.ts';

export interface CrowdedMesh {
  readonly mesh: Mesh;
  /** What a finished answer adds: the window that it falls into has to be summed up again. */
  record(peerId: PeerId, model: ModelId): void;
}

/** As many as a window holds. */
const SAMPLES = 512;
const LINKED = 8;
const FIRST_TRY: AnswerNeeds = { failed: new Set(), contextTokens: 1, begun: undefined };

/** Every peer serves every model; this end has measured `models` of each of them for an hour. */
export function createCrowdedMesh(size: { readonly peers: number; readonly models: readonly ModelId[] }): CrowdedMesh {
  const { float } = createSeededRandom(size.peers);
  const announcements = new Map<PeerId, Announcement>();
  for (let index = 0; index < size.peers; index += 1) {
    const announcement = announcementOf(size.models, float);
    announcements.set(announcement.peerId, announcement);
  }
  const links = new Map([...announcements.keys()].slice(0, LINKED).map((peerId) => [peerId, 0.3 + float() * 40]));
  const measurements = new Measurements();
  const record = (peerId: PeerId, model: ModelId) => {
    const sample = { ttftMs: 50 + float() * 400, tokensPerSecond: 5 + float() * 80, approximate: false };
    measurements.record(peerId, model, sample, systemClock.monotonicMs());
  };
  for (const peerId of announcements.keys()) {
    for (const model of size.models) for (let sample = 0; sample < SAMPLES; sample += 1) record(peerId, model);
  }

  const engine = createInstantEngine(1);
  const alone = new VirtualMesh().member('entry', 'entry');
  const present = () => [...announcements.values()];
  // As the roster keeps them while nothing changes.
  const servingOf = new Map(size.models.map((model) => [model, servingAmong(present(), model)]));
  const serving = (model: ModelId) => [...(servingOf.get(model) ?? [])];
  const chooser = createChooser({
    clock: systemClock,
    random: systemRandom,
    reachable: (model) => serving(model).filter(({ peer }) => announcements.has(peer.peerId)),
    isLocal: () => false,
    linkRttMs: (peerId) => links.get(peerId),
    measured: (peerId, model, nowMs) => measurements.current(peerId, model, nowMs),
    inFlight: () => 0,
  });
  const mesh: Mesh = {
    ...alone,
    models: () => modelsServedBy(present()),
    defaultModel: () => defaultModel(mesh.models().map(({ id, peers }) => ({ id, peerCount: peers.length }))),
    measurementsOf(model) {
      const nowMs = systemClock.monotonicMs();
      return serving(model).map(({ peer: { peerId }, served }) => ({
        peerId,
        measured: measurements.measured(peerId, model, nowMs) ?? served.measured,
      }));
    },
    async *complete(request, signal) {
      const model = request.model ?? mesh.defaultModel();
      const assignment = model && chooser.assign(request, model, FIRST_TRY);
      if (model === undefined || assignment === undefined) throw new Error('Nobody serves the model.');
      yield assignment.route;
      for await (const event of engine.generate({ ...assignment.parameters }, signal)) {
        if (event.type === 'tokens') yield event;
        else yield { ...event, ttftMs: 1, tokensPerSecond: 1_000 };
      }
      chooser.answered(assignment.peerId, request.conversationId);
      record(assignment.peerId, model);
    },
  };
  return { mesh, record };
}

/** Of the catalog as far as it goes, so that the gate has targets to compare with. */
export function crowdedModels(count: number): ModelId[] {
  return Array.from({ length: count }, (_, index) => CATALOG[index]?.id ?? ModelId.parse(`own-${index}`));
}

function announcementOf(models: readonly ModelId[], float: () => number): Announcement {
  return {
    type: 'announcement',
    peerId: createIdentity(systemRandom).peerId,
    kind: float() < 0.5 ? 'native' : 'tab',
    version: 'bench',
    sequence: 1,
    issuedAtMs: systemClock.wallMs(),
    lifetimeMs: 30_000,
    state: 'ready',
    memoryBytes: 16e9,
    models: models.map((id) => servedModel(id, float)),
    links: [],
  };
}

function servedModel(id: ModelId, float: () => number): ServedModel {
  const slots = 1 + Math.floor(float() * 4);
  return {
    id,
    classId: ClassId.parse('0'.repeat(32)),
    family: 'scripted',
    backend: 'none',
    contextTokens: 8_192,
    slots,
    inFlight: Math.floor(float() * (slots + 1)),
    queued: 0,
    sizeBytes: 1,
    features: [],
    measured: {
      ttftMs: 50 + float() * 4_000,
      ttftP95Ms: 5_000,
      tokensPerSecond: 2 + float() * 80,
      tokensPerSecondP95: 100,
      sampleCount: 9,
      ageMs: 1_000,
    },
    baseline: null,
  };
}
