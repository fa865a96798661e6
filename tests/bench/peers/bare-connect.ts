/** simple-peer alone: both ends in one place, signals handed over in memory, nothing signed, no handshake of the mesh. */
import type { Channel, Transport, TransportHandlers } from '@tabmesh/shared';

/** Milliseconds from dialling to two open ends; both are closed again. */
export async function bareConnectMs(transport: Transport): Promise<number> {
  const startMs = performance.now();
  const ends: { offerer?: Channel; answerer?: Channel } = {};
  const closed: Promise<void>[] = [];
  const open = (initiator: boolean, other: 'offerer' | 'answerer') =>
    new Promise<void>((resolve, reject) => {
      let onEnd: () => void = () => {};
      closed.push(
        new Promise((settle) => {
          onEnd = settle;
        }),
      );
      const handlers: TransportHandlers = {
        onSignal: (payload) => ends[other]?.signal(payload),
        onOpen: resolve,
        onMessage() {},
        onClose(error) {
          onEnd();
          reject(error ?? new Error('Closed early.'));
        },
      };
      ends[initiator ? 'offerer' : 'answerer'] = transport.open({ initiator, iceServers: [] }, handlers);
    });
  const answering = open(false, 'offerer');
  const offering = open(true, 'answerer');
  await Promise.all([offering, answering]);
  const connectMs = performance.now() - startMs;
  ends.offerer?.close();
  ends.answerer?.close();
  await Promise.all(closed);
  return connectMs;
}
