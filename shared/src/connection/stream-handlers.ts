/** Who answers the streams that other ends open, by name. What nobody answers is refused by its name. */
import { MeshError } from '../errors.ts';
import type { Logger } from '../ports/logger.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { ByteStream } from './stream.ts';
import type { StreamOffer } from './streams.ts';

/** Accepts or refuses, at once or within `STREAM_OPEN_TIMEOUT_MS`. When it throws, or rejects, its stream is over. */
export type StreamHandler = (offer: StreamOffer, remote: PeerId) => void | Promise<void>;

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
    let accepted: ByteStream | undefined;
    const handled: StreamOffer = {
      ...offer,
      accept() {
        accepted = offer.accept();
        return accepted;
      },
    };
    const fail = (error: unknown) => {
      const where = { peer: remote, stream: offer.name, error };
      // Any peer can break its stream off, which a handler that waits for bytes of it hears as this.
      if (MeshError.is(error)) this.#logger.debug(where, 'A stream ended before its handler did.');
      else this.#logger.error(where, 'A handler of streams failed.');
      offer.refuse('it failed to answer', true);
      accepted?.reset('its handler failed');
    };
    try {
      void handler(handled, remote)?.catch(fail);
    } catch (error) {
      fail(error);
    }
  }
}
