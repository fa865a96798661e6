/**
 * The only use of what simple-peer keeps to itself. It tells of a drained channel only those who use its Node stream,
 * which sends at a sixth of the rate in browsers.
 */
import type SimplePeer from 'simple-peer';
import { CHANNEL_LOW_WATER_BYTES } from '../limits.ts';

/** For a peer that is connected. The listener goes with its channel. */
export function listenForDrain(peer: SimplePeer.Instance, onDrain: () => void): void {
  const { _channel: channel } = peer as unknown as { readonly _channel?: RTCDataChannel };
  // Without it what waits to be sent would wait for ever.
  if (typeof channel?.addEventListener !== 'function') {
    throw new Error('simple-peer keeps its channel elsewhere; adapt simple-peer-drain.ts to this version.');
  }
  channel.bufferedAmountLowThreshold = CHANNEL_LOW_WATER_BYTES;
  channel.addEventListener('bufferedamountlow', onDrain);
}
