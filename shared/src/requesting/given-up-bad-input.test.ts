/** A peer that goes too far is given up at once and for good, whether anybody reads its answer or not. */
import { describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import type { JobOutcome } from '../jobs/job-outcome.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import type { TokenLogprob } from '../protocol/messages.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import type { JobEvent } from './incoming-answer.ts';
import { Requester } from './requester.ts';

const mallory = createIdentity(createSeededRandom(9)).peerId;
const jobId = JobId.parse('00112233445566778899aabbccddeeff');
const HALF_MEGABYTE = 'x'.repeat(512 * 1024);

/** The reader has asked for one event and reads no further before `rest`. */
function start(asked: { maxTokens?: number; topLogprobs?: number } = {}) {
  const clock = new ManualClock();
  const requester = new Requester({ clock });
  const sent: string[] = [];
  const outcomes: JobOutcome[] = [];
  const line = { remote: mallory, isOpen: true, send: (message: { type: string }) => sent.push(message.type) };
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  const parameters = { messages, maxTokens: 10_000_000, temperature: 0, topP: 1, stop: [], ...asked };
  const job = { jobId, model: ModelId.parse('m'), parameters };
  const events = requester.run(line, job, new AbortController().signal, {
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  const first = events.next();
  let next = 0;
  return {
    clock,
    sent,
    outcomes,
    say(
      text: string,
      more: { tokenCount?: number; written?: string; thought?: boolean; logprobs?: TokenLogprob[] } = {},
    ) {
      const { tokenCount = 1 } = more;
      requester.handleReply(mallory, { type: 'token-delta', jobId, firstToken: next, text, ...more, tokenCount });
      next += tokenCount;
    },
    end: () =>
      requester.handleReply(mallory, {
        type: 'job-end',
        jobId,
        reason: 'stop',
        usage: { promptTokens: 1, completionTokens: next, cachedTokens: 0 },
      }),
    async rest(): Promise<{ heard: JobEvent[]; error: unknown }> {
      const heard: JobEvent[] = [];
      try {
        const { value } = await first;
        if (value !== undefined) heard.push(value);
        for await (const event of events) heard.push(event);
        return { heard, error: undefined };
      } catch (error) {
        return { heard, error };
      }
    },
  };
}

const textOf = (heard: readonly JobEvent[]) =>
  heard.map((event) => (event.type === 'tokens' ? event.text : '')).join('');

describe('a peer that is given up', () => {
  it('IN17: is told so at once, though nobody reads', () => {
    const { clock, say, sent, outcomes } = start();
    for (let token = 0; token < 12; token += 1) say(HALF_MEGABYTE);
    expect(sent).toEqual(['job-start', 'job-cancel']);
    expect(outcomes).toMatchObject([{ sample: null, reason: 'client_disconnected' }]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('IN18: is not heard any more, so that no answer with a hole looks complete', async () => {
    const { say, end, rest } = start();
    for (let token = 0; token < 12; token += 1) say(HALF_MEGABYTE);
    const reading = rest();
    await Promise.resolve();
    // There is room again, but what came meanwhile is lost.
    say('behind a hole');
    end();
    const { heard, error } = await reading;
    expect(error).toMatchObject({ code: 'cancelled' });
    expect(textOf(heard)).not.toContain('hole');
    expect(heard.at(-1)?.type).toBe('tokens');
  });

  it('IN18: for too many tokens cannot end its answer either', async () => {
    const { say, end, rest } = start({ maxTokens: 3 });
    say('a');
    say('b');
    say('and more', { tokenCount: 2 });
    end();
    const { heard, error } = await rest();
    expect(error).toMatchObject({ code: 'peer_lost' });
    expect(textOf(heard)).toBe('ab');
  });
});

describe('an answer', () => {
  it('IN19: has at most 16 MB of text, however few tokens it counts', async () => {
    const { say, end, rest } = start();
    const reading = rest();
    for (let token = 0; token < 40; token += 1) {
      say(HALF_MEGABYTE);
      await new Promise<void>((resolve) => queueMicrotask(resolve));
      await Promise.resolve();
      await Promise.resolve();
    }
    end();
    const { heard, error } = await reading;
    expect(error).toMatchObject({ code: 'peer_lost' });
    expect(textOf(heard).length).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it('TH5: has at most 16 MB of what its model wrote, however little text it shows', async () => {
    const { say, end, rest } = start();
    const reading = rest();
    for (let token = 0; token < 40; token += 1) {
      say('a', { written: HALF_MEGABYTE, thought: true });
      await new Promise<void>((resolve) => queueMicrotask(resolve));
      await Promise.resolve();
      await Promise.resolve();
    }
    end();
    const { heard, error } = await reading;
    expect(error).toMatchObject({ code: 'peer_lost' });
    expect(textOf(heard).length).toBeLessThanOrEqual(32);
  });

  const likelihood = { token: 'x', logprob: -1, bytes: Array.from({ length: 256 }, () => 0) };
  const logprob = { ...likelihood, top: Array.from({ length: 20 }, () => likelihood) };

  it('IN20: has no probabilities that were not asked for', async () => {
    const { say, end, rest } = start();
    say('a', { logprobs: [logprob] });
    end();
    const { heard } = await rest();
    expect(heard[0]).toEqual({ type: 'tokens', text: 'a', tokenCount: 1 });
  });

  it('IN20: has no more probabilities than tokens', async () => {
    const { say, end, rest } = start({ topLogprobs: 20 });
    say('a', { logprobs: [logprob] });
    say('b', { logprobs: [logprob, logprob] });
    end();
    const { heard, error } = await rest();
    expect(error).toMatchObject({ code: 'peer_lost' });
    expect(textOf(heard)).toBe('a');
  });

  it('IN20: whose probabilities nobody reads is given up before memory fills', () => {
    const { say, sent } = start({ topLogprobs: 20 });
    const logprobs = Array.from({ length: 100 }, () => logprob);
    for (let delta = 0; delta < 20; delta += 1) say('x'.repeat(100), { tokenCount: 100, logprobs });
    expect(sent).toEqual(['job-start', 'job-cancel']);
  });

  it('IN21: is Unicode, whatever halves of characters its peer sends', async () => {
    const { say, end, rest } = start();
    for (const text of ['a\ud83d', '\ude00b', '🧭', '\udc00']) say(text);
    end();
    const { heard } = await rest();
    expect(textOf(heard)).toBe('a\ufffd\ufffdb🧭\ufffd');
  });
});
