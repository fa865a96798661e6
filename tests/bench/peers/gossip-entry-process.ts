/** An entry whose members all come from one address, and a plain socket.io server beside it. */
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { startEntry } from '@tabmesh/signaling';
import { answerCalls } from '../run/answer-calls.ts';
import { startPlainServer } from './plain-broadcast.ts';

export type GossipEntryCalls = {
  start(options: { members: number }): Promise<{ url: string; plainUrl: string }>;
};

answerCalls<GossipEntryCalls>({
  async start({ members }) {
    const { url } = await startEntry({
      host: '127.0.0.1',
      port: 0,
      identity: createIdentity(systemRandom),
      version: 'bench',
      logger: silentLogger,
      hubLimits: { membersPerNetwork: members + 1, joinsPerAddress: { perSecond: members, burst: 2 * members } },
    });
    return { url, plainUrl: await startPlainServer() };
  },
});
