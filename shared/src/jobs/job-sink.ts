/** Where a provider's answers go: an open link, or this end's own requester. */
import type { PeerMessageOf } from '../protocol/messages.ts';

export type JobReply = PeerMessageOf<'token-delta' | 'job-end' | 'embed-end' | 'job-error'>;

export interface JobSink {
  readonly isOpen: boolean;
  send(message: JobReply): void;
  /** Undefined: go on; else wait for it. */
  ready(): Promise<void> | undefined;
}
