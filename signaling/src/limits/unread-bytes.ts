/**
 * What was sent and is not taken stays in memory: so many bytes of it for each client and for all. Past a bound whoever
 * holds most is cut off, so that nobody can make another lose its line.
 */
export interface UnreadShare {
  /** What it holds now. */
  set(bytes: number): void;
  /** Idempotent. */
  close(): void;
}

interface Share {
  readonly client: string;
  readonly cut: (heldBytes: number) => void;
  bytes: number;
}

export class UnreadBytes {
  readonly #most: { readonly ofClient: number; readonly ofAll: number };
  readonly #shares = new Set<Share>();
  readonly #ofClients = new Map<string, number>();
  #ofAll = 0;

  constructor(most: { readonly ofClient: number; readonly ofAll: number }) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#ofAll;
  }

  /** @param cut called once, when what is held is too much; it closes the share in the end */
  open(client: string, cut: (heldBytes: number) => void): UnreadShare {
    const share: Share = { client, cut, bytes: 0 };
    this.#shares.add(share);
    return {
      set: (bytes) => {
        if (!this.#shares.has(share)) return;
        this.#count(share, bytes);
        while ((this.#ofClients.get(client) ?? 0) > this.#most.ofClient) this.#cutLargestOf(client);
        while (this.#ofAll > this.#most.ofAll) this.#cutLargestOf(this.#largestClient());
      },
      close: () => this.#forget(share),
    };
  }

  #count(share: Share, bytes: number): void {
    const ofClient = (this.#ofClients.get(share.client) ?? 0) + bytes - share.bytes;
    this.#ofAll += bytes - share.bytes;
    share.bytes = bytes;
    if (ofClient === 0) this.#ofClients.delete(share.client);
    else this.#ofClients.set(share.client, ofClient);
  }

  #forget(share: Share): void {
    if (this.#shares.delete(share)) this.#count(share, 0);
  }

  #largestClient(): string {
    return [...this.#ofClients].reduce((most, one) => (one[1] > most[1] ? one : most), ['', 0])[0];
  }

  #cutLargestOf(client: string): void {
    let largest: Share | undefined;
    for (const share of this.#shares) {
      if (share.client === client && share.bytes > (largest?.bytes ?? 0)) largest = share;
    }
    if (largest === undefined) return;
    const { bytes, cut } = largest;
    this.#forget(largest);
    cut(bytes);
  }
}
