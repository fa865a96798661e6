/**
 * What the status page tells, worked out from the peers that this tab knows: one row per model with the medians over
 * its peers, and the mesh's own median. Absent figures are null: 'not measured yet' never looks like 'slow'.
 */
import {
  efficiencyGrade,
  type MeshPeer,
  type ModelId,
  meshEfficiency,
  type PeerId,
  type ServedModel,
  type Tier,
  tierOf,
} from '@tabmesh/shared';

export interface ModelRow {
  readonly id: ModelId;
  readonly tier: Tier;
  readonly peerCount: number;
  readonly inFlight: number;
  /** Medians over the peers that measured: tok/s through the mesh and without it, and the time to the first token. */
  readonly throughMesh: number | null;
  readonly native: number | null;
  readonly ttftMs: number | null;
  readonly efficiency: number | null;
  readonly sampleCount: number;
  /** Of the newest sample. */
  readonly ageMs: number | null;
}

export interface MedianEfficiency {
  readonly median: number;
  /** Samples behind it. */
  readonly sampleCount: number;
}

export interface PeerRow {
  readonly peerId: PeerId;
  readonly name: string;
  readonly self: boolean;
  readonly role: 'tab' | 'native' | 'entry' | 'other';
  readonly state: 'serving' | 'answering' | 'asking' | 'draining';
  readonly backend: string | null;
  readonly memoryBytes: number | null;
  readonly rttMs: number | null;
  readonly version: string;
  readonly modelCount: number;
}

export type EfficiencyTone = 'good' | 'waiting' | 'bad';

/** Sorted by id, so that a row stays where it is while its figures change. */
export function modelRows(peers: readonly MeshPeer[]): ModelRow[] {
  const served = new Map<ModelId, ServedModel[]>();
  for (const { announcement } of peers) {
    if (announcement.state === 'draining') continue;
    for (const model of announcement.models) {
      const offers = served.get(model.id);
      if (offers === undefined) served.set(model.id, [model]);
      else offers.push(model);
    }
  }
  return [...served].map(([id, offers]) => toRow(id, offers)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Over every peer and model that has both figures; null while none has. */
export function medianEfficiency(peers: readonly MeshPeer[]): MedianEfficiency | null {
  const ratios: number[] = [];
  let sampleCount = 0;
  for (const { announcement } of peers) {
    for (const model of announcement.models) {
      const ratio = efficiencyOf(model);
      if (ratio === null) continue;
      ratios.push(ratio);
      sampleCount += model.measured?.sampleCount ?? 0;
    }
  }
  const middle = median(ratios);
  return middle === null ? null : { median: middle, sampleCount };
}

/** This tab first, then who serves, then by name. */
export function peerRows(peers: readonly MeshPeer[], self: PeerId | undefined): PeerRow[] {
  const rank = (row: PeerRow) => (row.self ? 0 : row.modelCount > 0 ? 1 : 2);
  return peers
    .map((peer) => toPeerRow(peer, self))
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.peerId < b.peerId ? -1 : 1));
}

/** Green, amber and red: from 80 %, from 50 % and below, as the grades are cut. */
const TONES = { good: 'good', fair: 'waiting', poor: 'bad' } as const;

export function efficiencyTone(efficiency: number): EfficiencyTone {
  return TONES[efficiencyGrade(efficiency)];
}

function toRow(id: ModelId, offers: readonly ServedModel[]): ModelRow {
  const measured = offers.flatMap((offer) => offer.measured ?? []);
  return {
    id,
    tier: tierOf(id),
    peerCount: offers.length,
    inFlight: offers.reduce((sum, offer) => sum + offer.inFlight, 0),
    throughMesh: median(measured.map(({ tokensPerSecond }) => tokensPerSecond)),
    native: median(offers.flatMap((offer) => offer.baseline?.tokensPerSecond ?? [])),
    ttftMs: median(measured.map(({ ttftMs }) => ttftMs)),
    efficiency: median(offers.flatMap((offer) => efficiencyOf(offer) ?? [])),
    sampleCount: measured.reduce((sum, { sampleCount }) => sum + sampleCount, 0),
    ageMs: measured.reduce<number | null>(
      (newest, { ageMs }) => (newest === null ? ageMs : Math.min(newest, ageMs)),
      null,
    ),
  };
}

function toPeerRow({ peerId, name, announcement, rttMs }: MeshPeer, self: PeerId | undefined): PeerRow {
  const { kind, version, memoryBytes, models } = announcement;
  return {
    peerId,
    name,
    self: peerId === self,
    role: kind,
    state: stateOf(announcement),
    backend: models[0]?.backend ?? null,
    memoryBytes,
    rttMs,
    version,
    modelCount: models.length,
  };
}

function stateOf({ state, models }: MeshPeer['announcement']): PeerRow['state'] {
  if (state === 'draining') return 'draining';
  if (models.length === 0) return 'asking';
  return models.some(({ inFlight }) => inFlight > 0) ? 'answering' : 'serving';
}

function efficiencyOf({ measured, baseline }: ServedModel): number | null {
  return meshEfficiency(measured, baseline)?.ratio ?? null;
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? upper;
  return (lower + upper) / 2;
}
