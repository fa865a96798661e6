/**
 * The web app and a roster of members that exist as signed records only. A visitor gets them as from an entry: the hub's
 * own roster gathers and cuts them, the page checks every signature. Five hundred real members on one machine would mostly
 * measure how they send each change to one another.
 */
import type { AddressInfo } from 'node:net';
import {
  createIdentity,
  type MemberToServerEvents,
  type MeshPeer,
  type ServerToMemberEvents,
  type Signer,
  silentLogger,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { VirtualMesh } from '@tabmesh/shared/testing';
import { Server } from 'socket.io';
import { scriptedCrowd, stir } from '../../../client/src/dev/scripted-crowd.ts';
import { buildServer } from '../../../signaling/src/build-server.ts';
import { HubRoster } from '../../../signaling/src/hub/hub-roster.ts';
import { answerCalls } from '../run/answer-calls.ts';

export type CrowdEntryCalls = {
  start(options: {
    webRoot: string;
    peers: number;
    updatesPerSecond: number;
  }): Promise<{ url: string; models: number }>;
  /** Announcements that were renewed so far. */
  updates(): number;
};

interface Member {
  readonly signer: Signer;
  peer: MeshPeer;
}

const TICK_MS = 10;
const STANDING = 'members';
let updates = 0;

answerCalls<CrowdEntryCalls>({
  async start({ webRoot, peers, updatesPerSecond }) {
    const app = buildServer({
      webRoot,
      mesh: new VirtualMesh().member('entry', 'entry'),
      version: 'bench',
      clock: systemClock,
      logger: silentLogger,
    });
    const server = new Server<MemberToServerEvents, ServerToMemberEvents>(app.server, { transports: ['websocket'] });
    const roster = new HubRoster(systemClock, (delta) => server.to(STANDING).emit('roster', delta));
    const members = signedCrowd(peers);
    for (const member of members) put(roster, member);
    server.on('connection', (socket) => {
      socket.on('join', () => {
        const everything = roster.everything();
        const first = everything.next().value;
        const records = typeof first === 'string' ? [] : first.upserted;
        socket.emit('welcome', { entryPeerId: null, iceServers: [], roster: records });
        for (const delta of everything) socket.emit('roster', delta);
        socket.join(STANDING);
      });
      socket.emit('challenge', { nonce: '0'.repeat(64), nowMs: systemClock.wallMs() });
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    renewInTurn(roster, members, updatesPerSecond);
    const { port } = app.server.address() as AddressInfo;
    const models = new Set(members.flatMap(({ peer }) => servedIds(peer)));
    return { url: `http://127.0.0.1:${port}`, models: models.size };
  },
  updates: () => updates,
});

/** In turn, so that nobody's announcement expires; a late timer catches up. */
function renewInTurn(roster: HubRoster, members: readonly Member[], perSecond: number): void {
  const startedMs = systemClock.monotonicMs();
  setInterval(() => {
    const due = ((systemClock.monotonicMs() - startedMs) * perSecond) / 1000;
    for (; updates < due; updates += 1) {
      const member = members[updates % members.length];
      if (member === undefined) continue;
      member.peer = stir(member.peer);
      put(roster, member);
    }
  }, TICK_MS);
}

function put(roster: HubRoster, { signer, peer }: Member): void {
  const announcement = { ...peer.announcement, issuedAtMs: systemClock.wallMs() };
  roster.put(announcement, signer.sign(announcement));
}

/** The demo's crowd, with keys. */
function signedCrowd(count: number): Member[] {
  const crowd = scriptedCrowd(count);
  const signers = new Map(crowd.map(({ peerId }) => [peerId, createIdentity(systemRandom)]));
  const keyed = (peerId: MeshPeer['peerId']) => signers.get(peerId)?.peerId ?? peerId;
  return crowd.flatMap((peer) => {
    const signer = signers.get(peer.peerId);
    if (signer === undefined) return [];
    const links = peer.announcement.links.map((link) => ({ ...link, peerId: keyed(link.peerId) }));
    const announcement = { ...peer.announcement, peerId: signer.peerId, links };
    return [{ signer, peer: { ...peer, peerId: signer.peerId, announcement } }];
  });
}

function servedIds({ announcement }: MeshPeer): string[] {
  return announcement.state === 'draining' ? [] : announcement.models.map(({ id }) => id);
}
