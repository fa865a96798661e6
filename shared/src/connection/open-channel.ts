/** A channel by a transport, also on a platform that can't make one. */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Channel, ChannelOptions, Transport, TransportHandlers } from '../ports/transport.ts';

export interface ChannelMaking extends ChannelOptions {
  readonly transport: Transport;
  readonly clock: Clock;
}

/** A platform without WebRTC throws: for whoever dials that is an attempt that failed. */
export function openChannel(
  { transport, clock, initiator, remote, iceServers, isCareful = false }: ChannelMaking,
  handlers: TransportHandlers,
): Channel {
  try {
    return transport.open({ initiator, remote, iceServers, isCareful }, handlers);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    clock.after(0, () => handlers.onClose(MeshError.connectionFailed(reason, error)));
    return {
      signal() {},
      send() {
        throw MeshError.closed('channel');
      },
      bufferedBytes: () => 0,
      close() {},
    };
  }
}
