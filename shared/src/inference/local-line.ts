/** This end's own provider as a line like any other: a job that stays at home takes the same path as one that travels. */
import type { PeerId } from '../protocol/ids.ts';
import type { JobSink, Provider } from './provider.ts';
import type { JobLine, Requester } from './requester.ts';

export function createLocalLine(options: { self: PeerId; provider: Provider; requester: Requester }): JobLine {
  const { self, provider, requester } = options;
  const sink: JobSink = {
    isOpen: true,
    send: (reply) => requester.handleReply(self, reply),
    ready: () => undefined,
  };
  return {
    remote: self,
    isOpen: true,
    send(message) {
      if (message.type === 'job-start') provider.handleStart(sink, message);
      else provider.handleCancel(sink, message.jobId);
    },
  };
}
