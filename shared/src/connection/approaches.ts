/** How a peer is dialled: by the best way that both ends have and that was not tried in vain. */
import type { Transport, Transports } from '../ports/transport.ts';
import type { PeerId } from '../protocol/ids.ts';

export interface ApproachesOptions {
  /** The ways in which a link may come about, best first; the first is one that everybody has. */
  readonly transports: Transports;
  /** Whether the peer announced this way to connect; asked of all but the first. */
  hasWay(peerId: PeerId, way: string): boolean;
}

export class Approaches {
  readonly #options: ApproachesOptions;
  /** Ways on which no link to the peer came about; cleared when none is left. */
  readonly #failedWays = new Map<PeerId, Set<string>>();

  constructor(options: ApproachesOptions) {
    this.#options = options;
  }

  /** The way that goes without saying. */
  get first(): Transport {
    return this.#options.transports[0];
  }

  /** The transport of a way that this end has. */
  find(way: string): Transport | undefined {
    return this.#options.transports.find((transport) => transport.way === way);
  }

  hasUntried(peerId: PeerId): boolean {
    return this.#untried(peerId) !== undefined;
  }

  next(peerId: PeerId): Transport {
    const transport = this.#untried(peerId) ?? this.first;
    // None is left: begin again with the first.
    if (this.#failedWays.get(peerId)?.has(transport.way)) this.forget(peerId);
    return transport;
  }

  failed(peerId: PeerId, way: string): void {
    this.#failedWays.set(peerId, (this.#failedWays.get(peerId) ?? new Set()).add(way));
  }

  forget(peerId: PeerId): void {
    this.#failedWays.delete(peerId);
  }

  #untried(peerId: PeerId): Transport | undefined {
    const { transports, hasWay } = this.#options;
    const failed = this.#failedWays.get(peerId);
    return transports.find(
      (transport) => !failed?.has(transport.way) && (transport === this.first || hasWay(peerId, transport.way)),
    );
  }
}
