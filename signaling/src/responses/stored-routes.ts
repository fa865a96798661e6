/** What is asked of responses that there are already: read, listed, followed, cancelled, deleted. Each client sees its own. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { RequestRefusal } from '../http/error-reply.ts';
import { fieldError } from '../http/request-body.ts';
import { clientOf } from '../http/request-client.ts';
import { DEFAULT_LISTED_ITEMS, ECHOED_CHARS, LARGE_REQUEST_BYTES, MAX_LISTED_ITEMS } from '../limits/limits.ts';
import { followResponse, replayResponse } from './follow-response.ts';
import type { ResponseRooms } from './response-rooms.ts';

interface ById {
  readonly Params: { readonly id: string };
  readonly Querystring: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export function registerStoredRoutes(app: FastifyInstance, rooms: ResponseRooms): void {
  const { store, background } = rooms;

  app.get<ById>('/v1/responses/:id', async (request, reply) => {
    const client = clientOf(request);
    const { id } = request.params;
    const { stream, starting_after: after } = request.query;
    const running = background.get(client, id);
    const stored = store.get(client, id);
    if (running === undefined && stored === undefined) throw notFound(id);
    if (stream !== 'true') return running?.response() ?? sendJson(reply, stored?.json);
    const behind = after === undefined ? -1 : wholeNumber('starting_after', after);
    if (running?.isStreamed) return followResponse(rooms, reply, running, behind);
    if ((stored?.bytes ?? 0) > LARGE_REQUEST_BYTES) await app.largeTurns.take(client);
    const events = stored?.events();
    if (events !== undefined) return replayResponse(rooms, reply, events, behind);
    throw fieldError(
      'stream',
      "asks for the events of a response that was not created with 'background' and 'stream', or has too many. Leave it out.",
    );
  });

  app.delete<ById>('/v1/responses/:id', async (request) => {
    const client = clientOf(request);
    const { id } = request.params;
    if (!background.delete(client, id) && !store.delete(client, id)) throw notFound(id);
    return { id, object: 'response', deleted: true };
  });

  app.post<ById>('/v1/responses/:id/cancel', async (request, reply) => {
    const client = clientOf(request);
    const { id } = request.params;
    const running = background.get(client, id);
    if (running !== undefined) return running.cancel();
    const stored = store.get(client, id);
    if (stored === undefined) throw notFound(id);
    if (stored.isFromBackground) return sendJson(reply, stored.json);
    throw fieldError('id', "names a response that was not created with 'background'. Leave its request to stop it.");
  });

  app.get<ById>('/v1/responses/:id/input_items', async (request) => {
    const client = clientOf(request);
    const { id } = request.params;
    const stored = store.get(client, id);
    if ((stored?.bytes ?? 0) > LARGE_REQUEST_BYTES) await app.largeTurns.take(client);
    const items = background.itemsOf(client, id) ?? stored?.items();
    if (items === undefined) throw notFound(id);
    return pageOf(items, request.query);
  });
}

/** In OpenAI's form of a list: the newest first unless asked otherwise. */
function pageOf(items: readonly { readonly id: string }[], query: ById['Querystring']) {
  const limit = query.limit === undefined ? DEFAULT_LISTED_ITEMS : wholeNumber('limit', query.limit);
  if (limit < 1 || limit > MAX_LISTED_ITEMS) throw fieldError('limit', `is from 1 to ${MAX_LISTED_ITEMS}. Correct it.`);
  const ordered = query.order === 'asc' ? items : items.toReversed();
  const at = query.after === undefined ? -1 : ordered.findIndex(({ id }) => id === query.after);
  if (query.after !== undefined && at === -1) {
    throw fieldError('after', 'names none of the items. Take the last_id of the page before.');
  }
  const data = ordered.slice(at + 1, at + 1 + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + 1 + limit < ordered.length,
  };
}

function sendJson(reply: FastifyReply, json: Buffer | undefined): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json);
}

function wholeNumber(field: string, text: string | readonly string[]): number {
  if (typeof text === 'string' && /^\d{1,9}$/.test(text)) return Number(text);
  throw fieldError(field, 'is no whole number. Correct it.');
}

function notFound(id: string): RequestRefusal {
  return new RequestRefusal(
    'response_not_found',
    `There is no response '${id.slice(0, ECHOED_CHARS)}' here: responses are kept for an hour, in memory, for whoever asked, unless 'store' is false. Create it again.`,
    'id',
  );
}
