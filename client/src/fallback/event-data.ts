/** The data of server-sent events, out of the body of a `fetch`: `EventSource` can't post. */
import { MeshError } from '@tabmesh/shared';
import { createParser } from 'eventsource-parser';
import { MAX_EVENT_CHARACTERS } from '../limits.ts';

/** Leaving the loop ends the request. An event that was cut off by the end of the stream is dropped. */
export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const events: string[] = [];
  let endless = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: ({ data }) => events.push(data),
    onError({ type }) {
      endless = type === 'max-buffer-size-exceeded';
    },
  });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* events.splice(0);
      if (endless) {
        throw new MeshError('upstream_failed', 'The entry sent an event without an end. Send the message again.');
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
