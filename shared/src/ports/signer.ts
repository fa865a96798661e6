/** The part of an identity that the core uses: who this end is, and its signature. `createIdentity` makes the real one. */
import type { SignedRecord } from '../protocol/announcement.ts';
import type { PeerId } from '../protocol/ids.ts';

export interface Signer {
  readonly peerId: PeerId;
  /** Signs the JSON form of `body`. */
  sign(body: object): SignedRecord;
}
