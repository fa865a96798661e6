/** What a member makes of session descriptions, with channels that the test holds in its hand. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { silentLogger } from '../ports/logger.ts';
import type { TransportHandlers } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { decodeSessionDescription } from '../protocol/decode.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { Links } from './links.ts';

const random = createSeededRandom(9);
const [alice, bob, mallory] = [createIdentity(random), createIdentity(random), createIdentity(random)];

interface HeldChannel {
  readonly initiator: boolean;
  readonly handlers: TransportHandlers;
  readonly signals: string[];
  open: boolean;
}

let clock: ManualClock;
let links: Links;
let channels: HeldChannel[];
let sent: SignedRecord[];

beforeEach(() => {
  clock = new ManualClock();
  channels = [];
  sent = [];
  links = new Links({
    identity: alice,
    clock,
    random,
    logger: silentLogger,
    transports: [
      {
        way: 'held',
        open({ initiator }, handlers) {
          const held: HeldChannel = { initiator, handlers, signals: [], open: true };
          channels.push(held);
          return {
            signal: (payload) => held.signals.push(payload),
            send() {},
            bufferedBytes: () => 0,
            close() {
              held.open = false;
            },
          };
        },
      },
    ],
    hasWay: () => false,
    describe: (_to, record) => sent.push(record),
    onOpen() {},
    onMessage() {},
    onClose() {},
  });
});

const sessionId = '0123456789abcdef0123456789abcdef';
const offer = {
  type: 'session-description',
  from: bob.peerId,
  to: alice.peerId,
  sessionId,
  role: 'offerer',
  index: 0,
  payload: 'offer',
};
const numbered = (index: number) => bob.sign({ ...offer, index, payload: `candidate ${index}` });

describe('session descriptions', () => {
  it('LS20: an offer is answered, and the answers are signed and numbered', () => {
    links.handleDescription(bob.sign(offer));
    expect(channels).toMatchObject([{ initiator: false, signals: ['offer'] }]);
    for (const payload of ['answer', 'candidate']) channels[0]?.handlers.onSignal(payload);
    expect(sent.map((record) => decodeSessionDescription(record))).toMatchObject([
      { from: alice.peerId, to: bob.peerId, sessionId, role: 'answerer', index: 0, payload: 'answer' },
      { index: 1, payload: 'candidate' },
    ]);
  });

  it('LS21: what a transport says while it is being opened is not lost', () => {
    links.close();
    const told: SignedRecord[] = [];
    const early = new Links({
      identity: alice,
      clock,
      random,
      logger: silentLogger,
      transports: [
        {
          way: 'held',
          open(_options, { onSignal }) {
            onSignal('offer');
            return { signal() {}, send() {}, bufferedBytes: () => 0, close() {} };
          },
        },
      ],
      hasWay: () => false,
      describe: (_to, record) => told.push(record),
      onOpen() {},
      onMessage() {},
      onClose() {},
    });
    early.want(new Set([bob.peerId]));
    expect(told.map((record) => decodeSessionDescription(record))).toMatchObject([
      { role: 'offerer', index: 0, payload: 'offer' },
    ]);
    early.close();
  });

  it.each([
    ['signed by another peer', mallory.sign(offer)],
    ['for another peer', bob.sign({ ...offer, to: mallory.peerId })],
    ['that is no JSON', { ...bob.sign(offer), body: '{' }],
    ['with a body changed on the way', { ...bob.sign(offer), body: JSON.stringify({ ...offer, payload: 'evil' }) }],
    ['that opens as an answerer', bob.sign({ ...offer, role: 'answerer' })],
    ['that opens in the middle', numbered(1)],
    ['without a session', bob.sign({ ...offer, sessionId: 'none' })],
  ])('LS22: one %s changes nothing', (_name, record) => {
    links.handleDescription(record);
    expect(channels).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('LS23: each of an attempt counts once and in its turn', () => {
    for (const record of [bob.sign(offer), bob.sign(offer), numbered(2), numbered(1), numbered(1), numbered(2)]) {
      links.handleDescription(record);
    }
    expect(channels).toHaveLength(1);
    expect(channels[0]?.signals).toEqual(['offer', 'candidate 1', 'candidate 2']);
  });

  it('LS24: nobody but the two ends of an attempt can speak in it, and each only for itself', () => {
    links.want(new Set([bob.peerId]));
    channels[0]?.handlers.onSignal('offer');
    const [record] = sent;
    if (record === undefined) throw new Error('Nothing was sent.');
    const answer = {
      ...offer,
      sessionId: decodeSessionDescription(record).sessionId,
      role: 'answerer',
      payload: 'yes',
    };
    links.handleDescription(mallory.sign({ ...answer, from: mallory.peerId, payload: 'evil' }));
    links.handleDescription(bob.sign({ ...answer, role: 'offerer', payload: 'both offer' }));
    links.handleDescription(record);
    links.handleDescription(bob.sign(answer));
    expect(channels).toHaveLength(1);
    expect(channels[0]?.signals).toEqual(['yes']);
  });

  it('LS25: a peer that opens attempt after attempt has the two newest at a time', () => {
    for (let attempt = 0; attempt < 30; attempt += 1) {
      links.handleDescription(bob.sign({ ...offer, sessionId: attempt.toString(16).padStart(32, '0') }));
    }
    expect(channels.length).toBeGreaterThan(2);
    expect(channels.filter((channel) => channel.open)).toEqual(channels.slice(-2));
  });

  it('LS8: on a platform without WebRTC a link fails and the member goes on', async () => {
    const bare = new Links({
      identity: alice,
      clock,
      random,
      logger: silentLogger,
      transports: [
        {
          way: 'held',
          open() {
            throw new Error('No WebRTC support: Not a supported browser');
          },
        },
      ],
      hasWay: () => false,
      describe() {},
      onOpen() {},
      onMessage() {},
      onClose() {},
    });
    expect(() => bare.want(new Set([bob.peerId]))).not.toThrow();
    expect(() => bare.handleDescription(bob.sign(offer))).not.toThrow();
    const asked = expect(bare.connect(bob.peerId, new AbortController().signal)).rejects.toMatchObject({
      code: 'connection_failed',
    });
    await clock.advance(100);
    await asked;
    bare.close();
  });

  it('LS26: after closing none is answered', () => {
    links.close();
    links.handleDescription(bob.sign(offer));
    expect(channels).toEqual([]);
  });
});
