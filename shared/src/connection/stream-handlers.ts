/** Who answers the streams that other ends open, by name. What nobody answers is refused by its name. */
import type { Logger } from '../ports/logger.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { StreamOffer } from './streams.ts';

/** Accepts or refuses, at once or within `STREAM_OPEN_TIMEOUT_MS`. */
export type StreamHandler = (offer: StreamOffer, remote: PeerId) => void;

export class StreamHandlers {
  readonly #handlers = new Map<string, StreamHandler>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Returns what takes the handler away again. */
  add(name: string, handler: StreamHandler): () => void {
    if (this.#handlers.has(name)) throw new Error(`Streams named '${name}' have a handler already.`);
    this.#handlers.set(name, handler);
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name);
    };
  }

  handle(offer: StreamOffer, remote: PeerId): void {
    const handler = this.#handlers.get(offer.name);
    if (handler === undefined) {
      offer.refuse('it has no use for streams of this name');
      return;
    }
    try {
      handler(offer, remote);
    } catch (error) {
      this.#logger.error({ peer: remote, stream: offer.name, error }, 'A handler of streams failed.');
      offer.refuse('it failed to answer', true);
    }
  }
}
