/**
 * What a member's socket holds of what was sent and not taken: socket.io keeps sending to one that does not read, and
 * memory fills. The only file that knows the insides of engine.io and ws, neither of which tells it in public.
 */
import type { MemberSocket } from './member-connection.ts';

/** For the last words to arrive; ws itself waits 30 s. */
const CLOSING_MS = 500;

/** engine.io hands packets to ws in batches, the next one when the last has left for the kernel. */
interface Connection {
  on(event: 'packetCreate', listener: (packet: { readonly data?: unknown }) => void): void;
  on(event: 'flush', listener: () => void): void;
  readonly transport: {
    on(event: 'ready', listener: () => void): void;
    readonly socket?: { readonly bufferedAmount: number; terminate(): void };
  };
}

export class SendBuffer {
  readonly #connection: Connection;
  /** In packets that wait for the batch before them. */
  #waitingBytes = 0;

  /** @param onSend before each packet, whoever sends it; its bytes count already */
  constructor(socket: MemberSocket, onSend: () => void) {
    this.#connection = socket.conn as unknown as Connection;
    this.#connection.on('packetCreate', ({ data }) => {
      this.#waitingBytes += typeof data === 'string' ? data.length : 0;
      onSend();
    });
    this.#connection.on('flush', () => {
      this.#waitingBytes = 0;
    });
  }

  /** In this process; what the kernel took on the way to the member is not among them. */
  get heldBytes(): number {
    return this.#waitingBytes + (this.#connection.transport.socket?.bufferedAmount ?? 0);
  }

  /** Called whenever a batch has left for the kernel. */
  onSent(listener: () => void): void {
    this.#connection.transport.on('ready', listener);
  }

  /** Of a socket that is being closed: one that does not read never agrees to it. */
  cutSoon(): void {
    setTimeout(() => this.cut(), CLOSING_MS).unref();
  }

  /** At once: a close frame would wait behind all that is not read. */
  cut(): void {
    this.#connection.transport.socket?.terminate();
  }
}
