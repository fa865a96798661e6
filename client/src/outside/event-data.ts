/**
 * The data of server-sent events, out of the body of a `fetch`: `EventSource` can't post. Names, ids and comments are
 * passed over, because the API of an entry uses none.
 */
import { MeshError } from '@tabmesh/shared';

/** An event of tokens has some hundred characters. */
const MOST_CHARACTERS = 1024 * 1024;

/** A carriage return at the end may be the first half of a line's end, so it waits for what follows. */
const LINE_END = /\r\n|\n|\r(?!$)/;

/** Leaving the loop ends the request. An event that was cut off by the end of the stream is dropped. */
export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  try {
    for (let ended = false; !ended; ) {
      const { done, value } = await reader.read();
      ended = done;
      // The line break ends a last line whose own end may have been waiting, and adds nothing but an empty line.
      rest += done ? `${decoder.decode()}\n` : decoder.decode(value, { stream: true });
      const lines = rest.split(LINE_END);
      rest = lines.pop() ?? '';
      if (rest.length > MOST_CHARACTERS) {
        throw new MeshError('upstream_failed', 'The entry sent an event without an end. Send the message again.');
      }
      for (const line of lines) {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
        else if (line === '' && data.length > 0) {
          yield data.join('\n');
          data = [];
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
