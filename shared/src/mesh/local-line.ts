/** This end's own provider as a line like any other: a job that stays at home takes the same path as one that travels. */
import type { JobSink } from '../jobs/job-sink.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { Provider } from '../providing/provider.ts';
import type { JobLine } from '../requesting/incoming-answer.ts';
import type { Requester } from '../requesting/requester.ts';

export interface LocalLine extends JobLine {
  /** Ends what runs on it. */
  close(): void;
}

export function createLocalLine(options: { self: PeerId; provider: Provider; requester: Requester }): LocalLine {
  const { self, provider, requester } = options;
  let open = true;
  const sink: JobSink = {
    get isOpen() {
      return open;
    },
    send: (reply) => requester.handleReply(self, reply),
    ready: () => undefined,
  };
  return {
    remote: self,
    get isOpen() {
      return open;
    },
    send(message) {
      if (message.type === 'job-cancel') provider.handleCancel(sink, message.jobId);
      else provider.handleStart(sink, message);
    },
    close() {
      open = false;
      provider.handleSinkClosed(sink);
      requester.handleLineClosed(self, 'this peer is closing');
    },
  };
}
