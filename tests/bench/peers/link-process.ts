/** A process that holds one end of a link of the mesh and one end of a bare data channel. */
import { createNodeTransport } from '@tabmesh/shared/node';
import { answerCalls } from '../run/answer-calls.ts';
import { type BareChannel, createBareChannel } from './bare-channel.ts';
import { bareConnectMs } from './bare-connect.ts';
import { joinWithLinks, type LinkEnd } from './link-end.ts';
import { machineMs } from './one-clock.ts';

export type LinkCalls = {
  join(url: string): Promise<LinkEnd['peerId']>;
  bareConnectMs(): Promise<number>;
  takeDelaysMs(): number[];
  startBulk(to: LinkEnd['peerId']): Promise<void>;
  stopBulk(): Promise<number>;
} & Pick<
  LinkEnd,
  'connect' | 'hangUp' | 'noLinkLeft' | 'roundTripsMs' | 'bytesPerSecond' | 'pacedRoundTripsMs' | 'streamBytesPerSecond'
> & {
    [Call in keyof BareChannel as `bare-${Call}`]: BareChannel[Call];
  };

let end: LinkEnd | undefined;
const bare = createBareChannel();
const transport = createNodeTransport();

answerCalls<LinkCalls>({
  async join(url) {
    end = await joinWithLinks(url, 'native', transport, machineMs);
    return end.peerId;
  },
  bareConnectMs: () => bareConnectMs(transport),
  connect: (to) => joined().connect(to),
  hangUp: () => joined().hangUp(),
  noLinkLeft: () => joined().noLinkLeft(),
  roundTripsMs: (options) => joined().roundTripsMs(options),
  bytesPerSecond: (options) => joined().bytesPerSecond(options),
  pacedRoundTripsMs: (options) => joined().pacedRoundTripsMs(options),
  takeDelaysMs: () => joined().takeDelaysMs(),
  streamBytesPerSecond: (options) => joined().streamBytesPerSecond(options),
  startBulk: (to) => joined().startBulk(to),
  stopBulk: () => joined().stopBulk(),
  'bare-offer': () => bare.offer(),
  'bare-answer': (offer) => bare.answer(offer),
  'bare-accept': (answer) => bare.accept(answer),
  'bare-roundTripsMs': (options) => bare.roundTripsMs(options),
  'bare-bytesPerSecond': (options) => bare.bytesPerSecond(options),
});

function joined(): LinkEnd {
  if (end === undefined) throw new Error('This end has not joined yet.');
  return end;
}
