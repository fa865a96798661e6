/** Hundreds of scripted peers with five models each, whose figures change all the time: `?demo=500&churn=100`. */
import {
  type Announcement,
  CATALOG,
  ClassId,
  createIdentity,
  type MeshPeer,
  ModelId,
  type PeerId,
  peerName,
  type ServedModel,
  systemRandom,
} from '@tabmesh/shared';

const MODELS_PER_PEER = 5;
const LINKS_PER_PEER = 5;
const CLASS = ClassId.parse('0'.repeat(32));

/** Each peer serves one model of the catalog and four of its own, so that 500 peers make 2,000 rows. */
export function scriptedCrowd(count: number): MeshPeer[] {
  const ids = Array.from({ length: count }, () => createIdentity(systemRandom).peerId);
  return ids.map((peerId, index) => ({
    peerId,
    name: peerName(peerId),
    linked: index < 8,
    rttMs: index < 8 ? 0.4 * 3 ** (index % 6) : null,
    announcement: announcementOf(peerId, index, ids),
  }));
}

/** Changes the figures of one peer, as a finished answer would. */
export function stir(peer: MeshPeer): MeshPeer {
  const { announcement } = peer;
  const models = announcement.models.map((model) => ({
    ...model,
    inFlight: Math.random() < 0.2 ? 1 : 0,
    measured: model.measured && {
      ...model.measured,
      tokensPerSecond: model.measured.tokensPerSecond * (0.97 + Math.random() * 0.06),
      sampleCount: model.measured.sampleCount + 1,
      ageMs: 200,
    },
  }));
  return { ...peer, announcement: { ...announcement, sequence: announcement.sequence + 1, models } };
}

function announcementOf(peerId: PeerId, index: number, ids: readonly PeerId[]): Announcement {
  const known = CATALOG[index % CATALOG.length];
  const models = index % 50 === 49 ? [] : [servedModel(known?.id ?? ModelId.parse('mesh-tiny'), index)];
  for (let own = 1; models.length > 0 && own < MODELS_PER_PEER; own += 1) {
    models.push(servedModel(ModelId.parse(`own-${String(index).padStart(3, '0')}-${own}`), index + own));
  }
  return {
    type: 'announcement',
    peerId,
    kind: index % 3 === 0 ? 'native' : 'tab',
    version: '0.1.0',
    sequence: 1,
    issuedAtMs: 0,
    lifetimeMs: 30_000,
    state: index % 41 === 40 ? 'draining' : 'ready',
    memoryBytes: index % 5 === 4 ? null : 2 ** (3 + (index % 4)) * 1e9,
    models,
    links: Array.from({ length: LINKS_PER_PEER }, (_unused, link) => ({
      peerId: ids[(index * 7 + link * 13 + 1) % ids.length] ?? peerId,
      rttMs: link === 4 ? null : 0.5 * 4 ** ((index + link) % 5),
    })),
  };
}

function servedModel(id: ModelId, index: number): ServedModel {
  const native = 12 * 1.6 ** (index % 8);
  const rate = native * (0.35 + 0.13 * (index % 6));
  const measured = {
    ttftMs: 60 + 40 * (index % 9),
    ttftP95Ms: 120 + 60 * (index % 9),
    tokensPerSecond: rate,
    tokensPerSecondP95: rate * 1.1,
    sampleCount: 3 + (index % 60),
    ageMs: 20_000 * (1 + (index % 40)),
  };
  return {
    id,
    classId: CLASS,
    family: 'llama.cpp',
    backend: index % 3 === 0 ? 'llama.cpp · CPU AVX2' : 'wllama · WebAssembly',
    contextTokens: 8192,
    slots: 2,
    inFlight: index % 11 === 0 ? 1 : 0,
    queued: 0,
    sizeBytes: 5_620_864,
    features: [],
    measured: index % 7 === 6 ? null : measured,
    baseline: index % 5 === 4 ? null : { ttftMs: 50, tokensPerSecond: native, sampleCount: 3, ageMs: 3_600_000 },
  };
}
