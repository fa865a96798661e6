/** Tokens that gather faster than they leave. */
import { expect, it } from 'vitest';
import type { JobReply } from '../jobs/job-sink.ts';
import { encodePeerMessage } from '../protocol/decode.ts';
import { JobId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { DeltaWriter } from './delta-writer.ts';

const jobId = JobId.parse('00112233445566778899aabbccddeeff');
const likelihood = { token: '\ufffd', logprob: -1.234567890123, bytes: [240, 159, 167, 173] };

it.each([
  ['long texts', { text: '\n'.repeat(1_000) }],
  ['probabilities', { text: 'x', logprobs: [{ ...likelihood, top: Array.from({ length: 20 }, () => likelihood) }] }],
])('PR35: many %s at once leave in messages that their peer takes', async (_what, token) => {
  const clock = new ManualClock();
  const sent: JobReply[] = [];
  const sink = { isOpen: true, send: (reply: JobReply) => sent.push(reply), ready: () => undefined };
  const writer = new DeltaWriter({ jobId, sink, clock });
  for (let count = 0; count < 3_000; count += 1) writer.push({ type: 'tokens', tokenCount: 1, ...token });
  await clock.advance(10);
  let next = 0;
  for (const reply of sent) {
    expect(() => encodePeerMessage(reply)).not.toThrow();
    expect(reply).toMatchObject({ type: 'token-delta', firstToken: next });
    if (reply.type === 'token-delta') next += reply.tokenCount;
  }
  expect(next).toBe(3_000);
  // They still share messages.
  expect(sent.length).toBeLessThan(300);
  writer.close();
});
