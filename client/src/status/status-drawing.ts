/**
 * The drawing of the mesh: where each peer stands, how large, and which lines join them. A peer keeps its place as long
 * as it is drawn, so that nothing jumps while figures change.
 */
import type { MeshPeer, PeerId } from '@tabmesh/shared';

export interface DrawnPeer {
  readonly peerId: PeerId;
  readonly name: string;
  readonly kind: 'tab' | 'native' | 'entry' | 'other';
  readonly self: boolean;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** Of its fastest model; null: not measured yet. */
  readonly tokensPerSecond: number | null;
  readonly serves: boolean;
  readonly running: number;
}

export interface DrawnLink {
  readonly id: string;
  readonly from: DrawnPeer;
  readonly to: DrawnPeer;
  readonly rttMs: number | null;
}

export interface MeshDrawing {
  readonly peers: readonly DrawnPeer[];
  /** Nearest last, so that they lie on top. */
  readonly links: readonly DrawnLink[];
  /** Peers that are not drawn. */
  readonly omitted: number;
  /** For those who can't see it. */
  readonly description: string;
}

export const DRAWING_WIDTH = 480;
export const DRAWING_HEIGHT = 280;
export const MOST_DRAWN_PEERS = 60;
const MOST_DRAWN_LINKS = 150;
/** Places are laid out for so many peers: in steps, so that a peer that joins does not move all others. */
const SPREADS = [6, 12, 24, MOST_DRAWN_PEERS];
const SMALLEST_RADIUS = 4;
const LARGEST_RADIUS = 15;
/** Turning by this angle from place to place spreads points evenly over a disc (Vogel's sunflower). */
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

export function createMeshDrawing(): (peers: readonly MeshPeer[], self: PeerId | undefined) => MeshDrawing {
  let places = new Map<PeerId, number>();
  return (peers, self) => {
    const chosen = mostRelevant(peers, self);
    places = placesFor(chosen, places);
    const spread = SPREADS.find((size) => size > Math.max(0, ...places.values())) ?? MOST_DRAWN_PEERS;
    const drawn = chosen.map((peer) => drawPeer(peer, self, places.get(peer.peerId) ?? 0, spread));
    const links = linksAmong(drawn, chosen);
    const omitted = peers.length - chosen.length;
    return { peers: drawn, links, omitted, description: describe(drawn, links, omitted) };
  };
}

/** This tab, those it is linked to, then the fastest; by coarse steps of speed, else the choice would flicker. */
function mostRelevant(peers: readonly MeshPeer[], self: PeerId | undefined): MeshPeer[] {
  return peers
    .map((peer) => ({ peer, rank: peer.peerId === self ? 1_000 : (peer.linked ? 100 : 0) + speedStep(peer) }))
    .sort((a, b) => b.rank - a.rank || (a.peer.peerId < b.peer.peerId ? -1 : 1))
    .slice(0, MOST_DRAWN_PEERS)
    .map(({ peer }) => peer);
}

function speedStep(peer: MeshPeer): number {
  if (peer.announcement.models.length === 0) return 0;
  return 1 + Math.round(Math.log2(1 + (fastestRate(peer) ?? 0)));
}

function fastestRate({ announcement }: MeshPeer): number | null {
  let fastest: number | null = null;
  for (const { measured } of announcement.models) {
    if (measured !== null && measured.tokensPerSecond > (fastest ?? 0)) fastest = measured.tokensPerSecond;
  }
  return fastest;
}

/** Who was there stays; who is new takes the innermost free place. */
function placesFor(chosen: readonly MeshPeer[], before: ReadonlyMap<PeerId, number>): Map<PeerId, number> {
  const places = new Map<PeerId, number>();
  for (const { peerId } of chosen) {
    const place = before.get(peerId);
    if (place !== undefined && place < chosen.length) places.set(peerId, place);
  }
  const taken = new Set(places.values());
  let next = 0;
  for (const { peerId } of chosen) {
    if (places.has(peerId)) continue;
    while (taken.has(next)) next += 1;
    places.set(peerId, next);
    next += 1;
  }
  return places;
}

function drawPeer(peer: MeshPeer, self: PeerId | undefined, place: number, spread: number): DrawnPeer {
  const distance = Math.sqrt(place / spread);
  const angle = place * GOLDEN_ANGLE;
  const rate = fastestRate(peer);
  const { kind, models } = peer.announcement;
  return {
    peerId: peer.peerId,
    name: peer.name,
    kind,
    self: peer.peerId === self,
    x: Math.round(DRAWING_WIDTH / 2 + Math.cos(angle) * distance * (DRAWING_WIDTH / 2 - 40)),
    y: Math.round(DRAWING_HEIGHT / 2 + Math.sin(angle) * distance * (DRAWING_HEIGHT / 2 - 28)),
    radius: radiusFor(rate),
    tokensPerSecond: rate,
    serves: models.length > 0,
    running: models.reduce((sum, { inFlight }) => sum + inFlight, 0),
  };
}

/** Grows with the logarithm: rates of peers lie three orders of magnitude apart. */
function radiusFor(rate: number | null): number {
  if (rate === null) return SMALLEST_RADIUS;
  return Math.min(LARGEST_RADIUS, Math.round(SMALLEST_RADIUS + 1 + 3 * Math.log10(1 + rate)));
}

/** Both ends announce a link; the one that measured tells its round trip. */
function linksAmong(drawn: readonly DrawnPeer[], peers: readonly MeshPeer[]): DrawnLink[] {
  const byId = new Map(drawn.map((peer) => [peer.peerId, peer]));
  const found = new Map<string, DrawnLink>();
  const add = (one: PeerId, other: PeerId, rttMs: number | null) => {
    const [from, to] = one < other ? [byId.get(one), byId.get(other)] : [byId.get(other), byId.get(one)];
    if (from === undefined || to === undefined || from === to) return;
    const id = `${from.peerId} ${to.peerId}`;
    const known = found.get(id);
    if (known === undefined || known.rttMs === null) found.set(id, { id, from, to, rttMs });
  };
  const self = drawn.find((peer) => peer.self)?.peerId;
  for (const { peerId, linked, rttMs, announcement } of peers) {
    if (self !== undefined && linked) add(self, peerId, rttMs);
    for (const link of announcement.links) add(peerId, link.peerId, link.rttMs);
  }
  return [...found.values()]
    .sort((a, b) => (a.rttMs ?? Number.MAX_VALUE) - (b.rttMs ?? Number.MAX_VALUE))
    .slice(0, MOST_DRAWN_LINKS)
    .reverse();
}

function describe(drawn: readonly DrawnPeer[], links: readonly DrawnLink[], omitted: number): string {
  const serving = drawn.filter(({ serves }) => serves).length;
  const busy = drawn.filter(({ running }) => running > 0).length;
  const fastest = drawn.reduce<DrawnPeer | undefined>(
    (best, peer) => ((peer.tokensPerSecond ?? 0) > (best?.tokensPerSecond ?? 0) ? peer : best),
    undefined,
  );
  const parts = [
    `The mesh: ${drawn.length} peers drawn, ${serving} serving, ${busy} answering now, ${links.length} links.`,
    fastest === undefined ? 'No peer is measured yet.' : `The fastest is ${fastest.name}.`,
    ...(omitted > 0 ? [`${omitted} more peers are not drawn.`] : []),
    'The table of peers has the same in words.',
  ];
  return parts.join(' ');
}
