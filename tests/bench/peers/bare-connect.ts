/** simple-peer alone: both ends in one place, signals handed over in memory, nothing signed, no handshake of the mesh. */
import { type Channel, createIdentity, systemClock, systemRandom, type Transport } from '@tabmesh/shared';

/** An attempt fails now and then (libdatachannel's candidate race); the mesh redials too. */
const ATTEMPTS = 5;
const RETRY_PAUSE_MS = 20;
const ATTEMPT_LIMIT_MS = 10_000;
/** Both ends are this process: nobody looks at whom they are meant for. */
const nobody = createIdentity(systemRandom).peerId;

/** Milliseconds from dialling to two open ends, of the first attempt that succeeds; both are closed again. */
export async function bareConnectMs(transport: Transport): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectOnce(transport);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await new Promise<void>((resolve) => void systemClock.after(RETRY_PAUSE_MS * attempt, resolve));
    }
  }
}

async function connectOnce(transport: Transport): Promise<number> {
  const startMs = performance.now();
  const offerer = new End();
  const answerer = new End();
  const cancelLimit = systemClock.after(ATTEMPT_LIMIT_MS, () => offerer.fail(new Error('It took too long.')));
  try {
    answerer.open(transport, false, offerer);
    offerer.open(transport, true, answerer);
    await Promise.all([offerer.opened, answerer.opened]);
    return performance.now() - startMs;
  } finally {
    cancelLimit();
    offerer.close();
    answerer.close();
    await Promise.all([offerer.closed, answerer.closed]);
  }
}

class End {
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  #channel: Channel | undefined;
  #succeed: () => void = () => {};
  #end: () => void = () => {};
  fail: (error: Error) => void = () => {};

  constructor() {
    this.opened = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.fail = reject;
    });
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  open(transport: Transport, initiator: boolean, other: End): void {
    this.#channel = transport.open(
      { initiator, remote: nobody, iceServers: [] },
      {
        onSignal: (payload) => other.#channel?.signal(payload),
        onOpen: () => this.#succeed(),
        onMessage() {},
        onDrain() {},
        onClose: (error) => {
          this.fail(error ?? new Error('It closed early.'));
          this.#end();
        },
      },
    );
  }

  close(): void {
    this.#channel?.close();
  }
}
