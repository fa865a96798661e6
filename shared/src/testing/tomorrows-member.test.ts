/** The member of tomorrow itself: what it is tested for has to be used with it. */
import { expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import type { Transport } from '../ports/transport.ts';
import { CAPABILITIES } from '../protocol/capabilities.ts';
import { decodePeerMessage, encodePeerMessage } from '../protocol/decode.ts';
import { FrameAssembler, toFrames } from '../protocol/frames.ts';
import { PROTOCOL_VERSION } from '../protocol/messages.ts';
import { createSeededRandom } from './seeded-random.ts';
import { asTomorrow, tomorrowsAnnouncement } from './tomorrows-member.ts';

const identity = createIdentity(createSeededRandom(31));
const own = ['a-name-of-its-own', ...CAPABILITIES];

/** What reaches the other end of a link whose end of tomorrow greets. */
function greeting(): unknown {
  const assembler = new FrameAssembler();
  let heard: unknown;
  const transport: Transport = {
    way: 'wire',
    open: () => ({
      signal() {},
      send(frame) {
        const bytes = assembler.push(frame);
        if (bytes !== undefined) heard = decodePeerMessage(bytes);
      },
      bufferedBytes: () => 0,
      close() {},
    }),
  };
  const { transports } = asTomorrow(identity, { transports: [transport], signaling: [] });
  const handlers = { onSignal() {}, onOpen() {}, onMessage() {}, onDrain() {}, onClose() {} };
  const channel = transports[0].open({ initiator: true, remote: identity.peerId, iceServers: [] }, handlers);
  const hello = { type: 'hello', protocol: PROTOCOL_VERSION, peerId: identity.peerId, capabilities: own } as const;
  for (const frame of toFrames(encodePeerMessage(hello))) channel.send(frame);
  return heard;
}

it('WR20: one of tomorrow greets with the capabilities that it has, and with more', () => {
  expect(greeting()).toMatchObject({ type: 'hello', capabilities: expect.arrayContaining([...own, 'teleport']) });
});

it('WR20: one of tomorrow announces the capabilities that it has, and more', () => {
  const { capabilities } = tomorrowsAnnouncement({ capabilities: own, models: [] }, false);
  expect(capabilities).toEqual(expect.arrayContaining([...own, 'teleport']));
});
