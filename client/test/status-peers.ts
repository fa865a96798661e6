/** Peers with chosen figures, for tests of the status page. */
import { ClassId, type MeshPeer, ModelId, PeerId, type ServedModel } from '@tabmesh/shared';

export const alice = PeerId.parse(`${'a'.repeat(42)}A`);
export const bob = PeerId.parse(`${'b'.repeat(42)}A`);
export const carol = PeerId.parse(`${'c'.repeat(42)}A`);

export function served(
  id: string,
  figures: { rate?: number; native?: number; sampleCount?: number; ageMs?: number; inFlight?: number } = {},
): ServedModel {
  const { rate, native, sampleCount = 5, ageMs = 60_000, inFlight = 0 } = figures;
  return {
    id: ModelId.parse(id),
    classId: ClassId.parse('0'.repeat(32)),
    family: 'scripted',
    backend: 'scripted',
    contextTokens: 1024,
    slots: 2,
    inFlight,
    queued: 0,
    sizeBytes: 1,
    features: [],
    measured:
      rate === undefined
        ? null
        : {
            ttftMs: 4_000 / rate,
            ttftP95Ms: 8_000 / rate,
            tokensPerSecond: rate,
            tokensPerSecondP95: rate,
            sampleCount,
            ageMs,
          },
    baseline: native === undefined ? null : { ttftMs: 50, tokensPerSecond: native, sampleCount: 3, ageMs: 0 },
  };
}

export function peer(
  peerId: PeerId,
  models: readonly ServedModel[],
  more: { linked?: boolean; rttMs?: number | null; draining?: boolean; links?: readonly PeerId[] } = {},
): MeshPeer {
  const { linked = false, rttMs = null, draining = false, links = [] } = more;
  return {
    peerId,
    name: `peer-${peerId.slice(0, 4)}`,
    linked,
    rttMs,
    announcement: {
      type: 'announcement',
      peerId,
      kind: 'tab',
      version: '1.0.0',
      sequence: 1,
      issuedAtMs: 0,
      lifetimeMs: 30_000,
      state: draining ? 'draining' : 'ready',
      memoryBytes: 8e9,
      models: [...models],
      links: links.map((other) => ({ peerId: other, rttMs: 5 })),
    },
  };
}
