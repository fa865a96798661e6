/** Replies that their clients do not read: they are bounded in bytes and in time, whatever they tell. */
import type { Logger } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { CLIENT_UNREAD_BYTES, HTTP_UNREAD_BYTES, SMALL_REPLY_BYTES, STREAM_UNREAD_MS } from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';
import { UnreadBytes, type UnreadShare } from '../limits/unread-bytes.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Of this server's replies. */
    readonly unreadReplies: UnreadReplies;
  }
}

export function boundUnreadReplies(app: FastifyInstance, logger: Logger): void {
  const unread = new UnreadReplies(logger);
  app.decorate('unreadReplies', unread);
  app.addHook('onSend', (_request, reply, payload, done) => {
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : undefined;
    // The kernel takes small ones, and nothing is worth a timer.
    if (bytes === undefined || bytes > SMALL_REPLY_BYTES) {
      const { raw } = reply;
      // Node counts a reply that moves, however slowly, as active; files move as they are read.
      raw.setTimeout(STREAM_UNREAD_MS, () => raw.destroy());
      if (bytes !== undefined) unread.hold(reply).set(bytes);
    }
    done(null, payload);
  });
}

export class UnreadReplies {
  readonly #unread = new UnreadBytes({ ofClient: CLIENT_UNREAD_BYTES, ofAll: HTTP_UNREAD_BYTES });
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get bytes(): number {
    return this.#unread.bytes;
  }

  /** Until the reply has left, or is cut off. */
  hold({ raw, request }: FastifyReply): UnreadShare {
    const share = this.#unread.open(networkOf(request.ip), (heldBytes) => {
      this.#logger.warn({ route: request.routeOptions.url, heldBytes }, 'A client that does not read was cut off.');
      raw.destroy();
    });
    raw.once('finish', share.close);
    raw.once('close', share.close);
    return share;
  }
}
