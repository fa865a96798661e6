/** What makes peers answer: keys by the hundred that offer once, one that redials without end, a few that offer in bursts. */
import { createNodeTransport } from '@tabmesh/shared/node';
import {
  createMember,
  join,
  openSocket,
  type TestMember,
  type TestSocket,
} from '../../../signaling/test/setup/member.ts';
import { type Attack, createEndings } from './attack.ts';

const KEYS = 420;
/** The entry lets an address join so often. */
const JOIN_MS = 55;
const REDIAL_MS = 20;
const BURSTS = 8;
const OFFERS_OF_BURST = 150;
const BURST_MS = 10_000;

/** The real offers of a transport, one after the other: what an honest peer would have to answer. */
export const manyKeys: Attack = {
  name: 'one offer from each of 420 keys',
  async start(entryUrl) {
    const endings = createEndings();
    let isOver = false;
    endings.add(() => {
      isOver = true;
    });
    const joining = (async () => {
      for (let count = 0; count < KEYS && !isOver; count += 1) {
        // Past the places of its network it goes on trying.
        const entered = await enter(entryUrl).catch(() => undefined);
        if (entered !== undefined) {
          const { member, socket, peers } = entered;
          endings.add(() => socket.disconnect());
          for (const to of peers) endings.add(offerOnce(socket, member, to));
        }
        await pause(JOIN_MS);
      }
    })().catch(() => {});
    endings.add(() => joining);
    return () => {
      isOver = true;
      return endings.end();
    };
  },
};

export const redials: Attack = {
  name: 'one key that redials without end',
  async start(entryUrl) {
    const endings = createEndings();
    const { member, socket, peers } = await enter(entryUrl);
    endings.add(() => socket.disconnect());
    const payload = await firstOffer(member);
    const redial = setInterval(() => {
      for (const to of peers.slice(0, 1)) {
        socket.emit('describe', { to, record: member.description(to, { sessionId: newSessionId(), payload }) });
      }
    }, REDIAL_MS);
    endings.add(() => clearInterval(redial));
    return () => endings.end();
  },
};

export const bursts: Attack = {
  name: 'eight keys with 150 offers each',
  async start(entryUrl) {
    const endings = createEndings();
    for (let count = 0; count < BURSTS; count += 1) {
      const { member, socket, peers } = await enter(entryUrl);
      endings.add(() => socket.disconnect());
      const payload = await firstOffer(member);
      const burst = () => {
        for (const to of peers.slice(0, 1)) {
          for (let sent = 0; sent < OFFERS_OF_BURST; sent += 1) {
            socket.emit('describe', { to, record: member.description(to, { sessionId: newSessionId(), payload }) });
          }
        }
      };
      burst();
      const again = setInterval(burst, BURST_MS);
      endings.add(() => clearInterval(again));
    }
    return () => endings.end();
  },
};

export const attacks: readonly Attack[] = [manyKeys, redials, bursts];

let sessions = 0;

function newSessionId(): string {
  sessions += 1;
  return `${process.pid.toString(16)}${sessions.toString(16).padStart(12, '0')}`.padStart(32, '0');
}

async function enter(entryUrl: string) {
  const member = createMember();
  const socket = openSocket(entryUrl);
  const welcome = await join(socket, member).catch((error: unknown) => {
    socket.disconnect();
    throw error;
  });
  // The entry itself and whoever serves: who is there to be dialled.
  const peers = welcome.roster
    .map(({ body }) => JSON.parse(body) as { peerId: TestMember['peerId']; kind: string; models: unknown[] })
    .filter(({ kind, models }) => kind === 'entry' || models.length > 0)
    .map(({ peerId }) => peerId);
  return { member, socket, peers };
}

/** Returns what gives it up. */
function offerOnce(socket: TestSocket, member: TestMember, to: TestMember['peerId']): () => void {
  const sessionId = newSessionId();
  let index = 0;
  const channel = createNodeTransport().open(
    { initiator: true, remote: to, iceServers: [] },
    {
      onSignal(payload) {
        socket.emit('describe', { to, record: member.description(to, { sessionId, index, payload }) });
        index += 1;
      },
      onOpen() {},
      onMessage() {},
      onDrain() {},
      onClose() {},
    },
  );
  return () => channel.close();
}

function firstOffer({ peerId }: TestMember): Promise<string> {
  return new Promise((resolve) => {
    const channel = createNodeTransport().open(
      { initiator: true, remote: peerId, iceServers: [] },
      {
        onSignal(payload) {
          resolve(payload);
          setImmediate(() => channel.close());
        },
        onOpen() {},
        onMessage() {},
        onDrain() {},
        onClose() {},
      },
    );
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
