/** What the router needs to know of one peer, from what it announced and what this end measured. */
import type { Announcement, Measured, ServedModel } from '../protocol/announcement.ts';
import type { RouteCandidate } from './route.ts';

export type KnownSpeed = Pick<Measured, 'ttftMs' | 'ttftP95Ms' | 'tokensPerSecond'>;

export interface PeerContext {
  readonly local: boolean;
  /** Round trip of the open link; null while unmeasured, undefined when there is no link. */
  readonly linkRttMs: number | null | undefined;
  readonly ownMeasured: KnownSpeed | null;
  /** This end's answers now running there. */
  readonly inFlight: number;
  readonly failed: boolean;
  readonly holdsPrefix: boolean;
}

/** A link to an unlinked peer, and its round trip, as long as neither is known. */
const CONNECT_GUESS_MS = 300;
const RTT_GUESS_MS = 50;

export function toCandidate(peer: Announcement, model: ServedModel, known: PeerContext): RouteCandidate {
  const { local, linkRttMs, ownMeasured, failed, holdsPrefix } = known;
  const measured = ownMeasured ?? model.measured;
  return {
    peerId: peer.peerId,
    classId: model.classId,
    local,
    draining: peer.state === 'draining',
    contextTokens: model.contextTokens,
    failed,
    connectMs: local || linkRttMs !== undefined ? 0 : CONNECT_GUESS_MS,
    rttMs: local ? 0 : (linkRttMs ?? RTT_GUESS_MS),
    slots: model.slots,
    load: Math.max(model.inFlight + model.queued, known.inFlight),
    ttftMs: measured?.ttftMs ?? Number.NaN,
    ttftP95Ms: measured?.ttftP95Ms ?? Number.NaN,
    tokensPerSecond: measured?.tokensPerSecond ?? Number.NaN,
    source: ownMeasured !== null ? 'own' : measured !== null ? 'announced' : 'none',
    holdsPrefix,
  };
}
