/** Cuts off whoever does not read: every packet to a member is looked at beside what its socket holds already. */
import { HUB_UNREAD_BYTES, MEMBER_UNREAD_BYTES } from '../limits/limits.ts';
import type { MemberSocket } from './member-connection.ts';
import { SendBuffer } from './send-buffer.ts';

interface Watched {
  readonly socket: MemberSocket;
  readonly buffer: SendBuffer;
  heldBytes: number;
  isCut: boolean;
}

export class UnreadWatch {
  readonly #onCut: (socket: MemberSocket, heldBytes: number) => void;
  readonly #watched = new Set<Watched>();
  #heldBytes = 0;

  constructor(onCut: (socket: MemberSocket, heldBytes: number) => void) {
    this.#onCut = onCut;
  }

  /** Of all sockets. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Until the socket closes. */
  add(socket: MemberSocket): SendBuffer {
    const buffer = new SendBuffer(socket, () => this.#look(watched));
    const watched: Watched = { socket, buffer, heldBytes: 0, isCut: false };
    this.#watched.add(watched);
    buffer.onSent(() => this.#look(watched));
    socket.once('disconnect', () => {
      this.#watched.delete(watched);
      this.#heldBytes -= watched.heldBytes;
    });
    return buffer;
  }

  /** All sockets are being closed. */
  close(): void {
    for (const { buffer } of this.#watched) buffer.cutSoon();
  }

  #look(watched: Watched): void {
    if (!this.#watched.has(watched)) return;
    const { heldBytes } = watched.buffer;
    this.#heldBytes += heldBytes - watched.heldBytes;
    watched.heldBytes = heldBytes;
    if (heldBytes > MEMBER_UNREAD_BYTES) this.#cut(watched);
    else if (this.#heldBytes > HUB_UNREAD_BYTES) this.#cutLargest();
  }

  /** Whoever holds most is furthest from reading. */
  #cutLargest(): void {
    let largest: Watched | undefined;
    for (const watched of this.#watched) {
      if (!watched.isCut && watched.heldBytes > (largest?.heldBytes ?? 0)) largest = watched;
    }
    if (largest !== undefined) this.#cut(largest);
  }

  #cut(watched: Watched): void {
    if (watched.isCut) return;
    watched.isCut = true;
    this.#onCut(watched.socket, watched.heldBytes);
    watched.buffer.cut();
  }
}
