/** Cuts off whoever does not read: every packet to a member is looked at beside what its socket holds already. */
import { HUB_UNREAD_BYTES, MEMBER_UNREAD_BYTES } from '../limits/limits.ts';
import { UnreadBytes } from '../limits/unread-bytes.ts';
import type { MemberSocket } from './member-connection.ts';
import { SendBuffer } from './send-buffer.ts';

export class UnreadWatch {
  readonly #onCut: (socket: MemberSocket, heldBytes: number) => void;
  readonly #buffers = new Set<SendBuffer>();
  readonly #unread = new UnreadBytes({ ofClient: MEMBER_UNREAD_BYTES, ofAll: HUB_UNREAD_BYTES });

  constructor(onCut: (socket: MemberSocket, heldBytes: number) => void) {
    this.#onCut = onCut;
  }

  /** Of all sockets. */
  get heldBytes(): number {
    return this.#unread.bytes;
  }

  /** Until the socket closes. */
  add(socket: MemberSocket): SendBuffer {
    const share = this.#unread.open(socket.id, (heldBytes) => {
      this.#onCut(socket, heldBytes);
      buffer.cut();
    });
    const buffer = new SendBuffer(socket, () => share.set(buffer.heldBytes));
    buffer.onSent(() => share.set(buffer.heldBytes));
    this.#buffers.add(buffer);
    socket.once('disconnect', () => {
      this.#buffers.delete(buffer);
      share.close();
    });
    return buffer;
  }

  /** All sockets are being closed. */
  close(): void {
    for (const buffer of this.#buffers) buffer.cutSoon();
  }
}
