/** One end of a bare data channel: node-datachannel's own interface, nothing of the mesh, no simple-peer. */
import { type DataChannel, PeerConnection } from 'node-datachannel';

export interface Description {
  readonly type: 'offer' | 'answer';
  readonly sdp: string;
}

export interface BareChannel {
  offer(): Promise<Description>;
  answer(offer: Description): Promise<Description>;
  /** Resolves when the channel is open. Fails now and then (libdatachannel's candidate race): offer again. */
  accept(answer: Description): Promise<void>;
  roundTripsMs(options: { count: number; bytes: number }): Promise<number[]>;
  bytesPerSecond(options: { messages: number; bytes: number }): Promise<number>;
}

/** First byte of a message: what the other end does with it. */
const ECHO = 1;
const REPLY = 2;
const SINK = 3;
/** The link's own marks: both ends of the comparison wait for the network in the same way. */
const HIGH_WATER_BYTES = 256 * 1024;
const LOW_WATER_BYTES = 64 * 1024;

export function createBareChannel(): BareChannel {
  let connection = new PeerConnection('bare', { iceServers: [] });
  let channel: DataChannel | undefined;
  let onReply: () => void = () => {};
  let onLow: () => void = () => {};

  const adopt = (opened: DataChannel) => {
    channel = opened;
    opened.setBufferedAmountLowThreshold(LOW_WATER_BYTES);
    opened.onBufferedAmountLow(() => onLow());
    opened.onMessage((message) => {
      if (typeof message === 'string') return;
      const bytes = new Uint8Array(message);
      if (bytes[0] === REPLY) onReply();
      else if (bytes[0] === ECHO) opened.sendMessageBinary(filled(REPLY, bytes.length));
    });
  };
  const use = () => {
    if (channel === undefined) throw new Error('There is no channel.');
    return channel;
  };
  const reply = () =>
    new Promise<void>((resolve) => {
      onReply = resolve;
    });
  /** Each attempt needs a fresh connection. */
  const restart = () => {
    connection.close();
    connection = new PeerConnection('bare', { iceServers: [] });
  };
  // Whole descriptions, candidates included, are simplest where setting up is not what is measured.
  const described = () =>
    new Promise<Description>((resolve) => {
      connection.onGatheringStateChange((state) => {
        const local = connection.localDescription();
        if (state === 'complete' && local !== null) resolve(local as Description);
      });
    });

  return {
    offer() {
      restart();
      const description = described();
      adopt(connection.createDataChannel('bare'));
      return description;
    },
    answer(offer) {
      restart();
      const description = described();
      connection.onDataChannel(adopt);
      connection.setRemoteDescription(offer.sdp, offer.type);
      return description;
    },
    accept(answer) {
      return new Promise((resolve) => {
        use().onOpen(resolve);
        connection.setRemoteDescription(answer.sdp, answer.type);
      });
    },
    async roundTripsMs({ count, bytes }) {
      const message = filled(ECHO, bytes);
      const times: number[] = [];
      for (let index = 0; index < count; index += 1) {
        const replied = reply();
        const startMs = performance.now();
        use().sendMessageBinary(message);
        await replied;
        times.push(performance.now() - startMs);
      }
      return times;
    },
    async bytesPerSecond({ messages, bytes }) {
      const message = filled(SINK, bytes);
      const replied = reply();
      const startMs = performance.now();
      for (let sent = 0; sent < messages; sent += 1) {
        use().sendMessageBinary(message);
        if (use().bufferedAmount() < HIGH_WATER_BYTES) continue;
        await new Promise<void>((resolve) => {
          onLow = resolve;
          if (use().bufferedAmount() <= LOW_WATER_BYTES) resolve();
        });
      }
      use().sendMessageBinary(filled(ECHO, 1));
      await replied;
      return (messages * bytes * 1000) / (performance.now() - startMs);
    },
  };
}

function filled(first: number, bytes: number): Uint8Array {
  const message = new Uint8Array(Math.max(1, bytes));
  message[0] = first;
  return message;
}
