/** A provider that sends more than it was asked for. */
import { describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import type { JobEvent } from './incoming-answer.ts';
import { Requester } from './requester.ts';

const mallory = createIdentity(createSeededRandom(6)).peerId;
const jobId = JobId.parse('00112233445566778899aabbccddeeff');

function start(maxTokens: number) {
  const requester = new Requester({ clock: new ManualClock() });
  const sent: string[] = [];
  const line = { remote: mallory, isOpen: true, send: (message: { type: string }) => sent.push(message.type) };
  const events = requester.run(
    line,
    {
      jobId,
      model: ModelId.parse('m'),
      parameters: { messages: [{ role: 'user', content: 'Hi' }], maxTokens, temperature: 0, topP: 1, stop: [] },
    },
    new AbortController().signal,
  );
  const send = (firstToken: number, text: string) =>
    requester.handleReply(mallory, { type: 'token-delta', jobId, firstToken, tokenCount: 1, text });
  return { events, send, sent };
}

async function read(events: AsyncIterable<JobEvent>, seen: JobEvent[]): Promise<void> {
  for await (const event of events) seen.push(event);
}

describe('the requester', () => {
  it('IN10: gives a peer up that sends more tokens than were asked for', async () => {
    const { events, send, sent } = start(3);
    const seen: JobEvent[] = [];
    const outcome = expect(read(events, seen)).rejects.toMatchObject({ code: 'peer_lost' });
    for (let token = 0; token < 10; token += 1) send(token, 'x');
    // Without the limit the answer would never end.
    send(20, 'a hole ends it');
    await outcome;
    expect(seen.length).toBeLessThanOrEqual(3);
    expect(sent).toEqual(['job-start', 'job-cancel']);
  });

  it('IN11: keeps a bounded number of deltas that nobody reads, empty ones included', async () => {
    const { events, send } = start(10_000_000);
    const first = events.next();
    let kept = 0;
    for (let token = 0; token < 20_000; token += 1) send(token, token === 0 ? 'x' : '');
    await first;
    await expect(
      (async () => {
        for await (const event of events) if (event.type === 'tokens') kept += 1;
      })(),
    ).rejects.toMatchObject({ code: 'peer_lost' });
    expect(kept).toBeLessThan(20_000 - 1);
  });
});
