/**
 * The way to an entry: proves the peer's key, carries signed announcements and signed session descriptions. Adapters:
 * socket.io (transports), `VirtualNetwork` (testing).
 */
import type { SignedRecord } from '../protocol/announcement.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { AnswerReport, Challenge, JoinRefusal, Welcome } from '../protocol/signaling.ts';

/** As the adapter read it: older entries do not say whether it is final. */
export type Refusal = JoinRefusal & { readonly final: boolean };

export interface SignalingHandlers {
  /**
   * The entry asks for a proof of the key; the answer is a signed `JoinProof` and the present announcement.
   * @param entry what the proof is to name: host and port as they were dialled
   */
  onChallenge(
    challenge: Challenge,
    entry: string,
  ): {
    proof: SignedRecord;
    announcement: SignedRecord;
  };
  onWelcome(welcome: Welcome): void;
  /** After a final one the adapter has given up; after any other it tries again, and `onOffline` says so. */
  onRefused(refusal: Refusal): void;
  onRoster(delta: { upserted: readonly SignedRecord[]; removed: readonly PeerId[] }): void;
  /** A signed session description from another peer; the record says from whom, the receiver checks it. */
  onDescription(record: SignedRecord): void;
  /** The connection is gone; the adapter is already trying again, with exponential backoff. */
  onOffline(reason: string): void;
}

export interface Signaling {
  /** Starts to connect, and reconnects until `close`. Call once. */
  start(handlers: SignalingHandlers): void;
  announce(announcement: SignedRecord): void;
  describe(to: PeerId, record: SignedRecord): void;
  /** Lost when the entry is out of reach: figures are not worth a queue. */
  report(report: AnswerReport): void;
  close(): void;
}
