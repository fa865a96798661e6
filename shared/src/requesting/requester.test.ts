/** The asking end against a provider that keeps to no rule. */
import { describe, expect, it } from 'vitest';
import type { MeshError } from '../errors.ts';
import { createIdentity } from '../identity/identity.ts';
import type { JobReply } from '../jobs/job-sink.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import type { JobEvent, JobRequest } from './incoming-answer.ts';
import { Requester } from './requester.ts';

const random = createSeededRandom(5);
const bob = createIdentity(random).peerId;
const mallory = createIdentity(random).peerId;
const jobId = JobId.parse('00112233445566778899aabbccddeeff');
const parameters = {
  messages: [{ role: 'user' as const, content: 'Hi' }],
  maxTokens: 9,
  temperature: 0,
  topP: 1,
  stop: [],
};
const delta = (firstToken: number, text: string): JobReply => ({
  type: 'token-delta',
  jobId,
  firstToken,
  tokenCount: 1,
  text,
});
const end: JobReply = {
  type: 'job-end',
  jobId,
  reason: 'stop',
  usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 },
};

function start(maxTokens = parameters.maxTokens, extras: Partial<JobRequest['parameters']> = {}) {
  const clock = new ManualClock();
  const requester = new Requester({ clock });
  const sent: string[] = [];
  const line = { remote: bob, isOpen: true, send: (message: { type: string }) => sent.push(message.type) };
  const controller = new AbortController();
  const events: JobEvent[] = [];
  const outcome = (async () => {
    for await (const event of requester.run(
      line,
      { jobId, model: ModelId.parse('m'), parameters: { ...parameters, maxTokens, ...extras } },
      controller.signal,
    )) {
      events.push(event);
    }
  })();
  outcome.catch(() => {});
  const text = () => events.map((event) => (event.type === 'tokens' ? event.text : '')).join('');
  return { clock, requester, sent, line, controller, events, outcome, text };
}

describe('the requester', () => {
  it('IN2: gives tokens in order and then the end', async () => {
    const { requester, clock, outcome, text, events, sent } = start();
    for (const reply of [delta(0, 'a'), delta(1, 'b'), end]) requester.handleReply(bob, reply);
    await outcome;
    expect(text()).toBe('ab');
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'stop' });
    expect(sent).toEqual(['job-start']);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('IN3: a delta that came before is dropped, and so is all that comes after the end', async () => {
    const { requester, outcome, text } = start();
    for (const reply of [delta(0, 'a'), delta(0, 'a'), delta(1, 'b'), delta(0, 'z'), end, delta(2, 'c'), end]) {
      requester.handleReply(bob, reply);
    }
    await outcome;
    expect(text()).toBe('ab');
  });

  it('IN4: a missing delta ends the attempt rather than leaving a hole in the answer', async () => {
    const { requester, outcome, text, sent } = start();
    for (const reply of [delta(0, 'a'), delta(2, 'c')]) requester.handleReply(bob, reply);
    await expect(outcome).rejects.toMatchObject({ code: 'peer_lost' });
    expect(text()).toBe('a');
    expect(sent).toEqual(['job-start', 'job-cancel']);
  });

  it('IN5: another peer cannot add to, end or fail the answer', async () => {
    const { requester, outcome, text } = start();
    requester.handleReply(mallory, delta(0, 'evil'));
    requester.handleReply(mallory, { type: 'job-error', jobId, code: 'engine_failed', message: 'x', retryable: false });
    for (const reply of [delta(0, 'a'), end]) requester.handleReply(bob, reply);
    await outcome;
    expect(text()).toBe('a');
  });

  it('IN6: a refusal arrives with its code, and needs no cancel', async () => {
    const { requester, outcome, sent } = start();
    requester.handleReply(bob, {
      type: 'job-error',
      jobId,
      code: 'peer_busy',
      message: 'busy',
      retryable: true,
      waitMs: 70,
    });
    await expect(outcome).rejects.toMatchObject({ code: 'peer_busy', retryable: true, details: { waitMs: 70 } });
    expect(sent).toEqual(['job-start']);
  });

  it('IN7: a peer that says nothing for a minute counts as lost', async () => {
    const { clock, outcome, events } = start();
    await clock.advance(59_000);
    expect(events).toEqual([]);
    await clock.advance(1_100);
    await expect(outcome).rejects.toMatchObject({ code: 'peer_lost' });
  });

  it.each([
    ['2 s', 20, 1_900, 2_100],
    ['four times its pauses', 1_000, 3_900, 4_100],
    ['a minute, however slow it is', 20_000, 59_000, 60_100],
  ])('IN7: a peer whose pace is known counts as lost after %s', async (_, pauseMs, soonMs, lateMs) => {
    const { clock, outcome, requester } = start(20);
    let lost = false;
    outcome.catch(() => {
      lost = true;
    });
    for (let token = 0; token < 12; token += 1) {
      requester.handleReply(bob, delta(token, 'a'));
      if (token < 11) await clock.advance(token < 8 ? Math.min(pauseMs, 9_000) : pauseMs);
    }
    await clock.advance(soonMs);
    expect(lost).toBe(false);
    await clock.advance(lateMs - soonMs);
    expect(lost).toBe(true);
  });

  it('IN7: one of its pauses that was long is forgotten after many that were not', async () => {
    const { clock, outcome, requester } = start(400);
    const pausesMs = [9_000, ...Array.from({ length: 300 }, () => 10)];
    for (const [token, pauseMs] of pausesMs.entries()) {
      requester.handleReply(bob, delta(token, 'a'));
      await clock.advance(pauseMs);
    }
    await clock.advance(2_100);
    await expect(outcome).rejects.toMatchObject({ code: 'peer_lost' });
  });

  it('IN8: an answer that nobody reads is given up before memory fills', async () => {
    const { requester, line, clock } = start();
    const controller = new AbortController();
    const other = JobId.parse('ff112233445566778899aabbccddeeff');
    const unread = requester.run(line, { jobId: other, model: ModelId.parse('m'), parameters }, controller.signal);
    const first = unread.next();
    await clock.advance(1);
    const text = 'x'.repeat(500_000);
    for (let token = 0; token < 12; token += 1) {
      requester.handleReply(bob, { type: 'token-delta', jobId: other, firstToken: token, tokenCount: 1, text });
    }
    await first;
    let chars = 0;
    await expect(
      (async () => {
        for await (const event of unread) if (event.type === 'tokens') chars += event.text.length;
      })(),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect(chars).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it('IN40: of many answers that nobody reads those past 32 MiB are given up, and one that is read goes on', async () => {
    const { requester, line, clock } = start();
    const run = (name: number) => {
      const jobId = JobId.parse(name.toString(16).padStart(32, 'f'));
      const events = requester.run(
        line,
        { jobId, model: ModelId.parse('m'), parameters },
        new AbortController().signal,
      );
      return { jobId, events, first: events.next() };
    };
    const unread = Array.from({ length: 32 }, (_, name) => run(name));
    const read = run(99);
    await clock.advance(1);
    const deltaOf = (jobId: JobId, firstToken: number) =>
      ({ type: 'token-delta', jobId, firstToken, tokenCount: 1, text: 'x'.repeat(500_000) }) as const;
    let chars = 0;
    for (let token = 0; token < 4; token += 1) {
      for (const { jobId } of unread) requester.handleReply(bob, deltaOf(jobId, token));
      requester.handleReply(bob, { ...deltaOf(read.jobId, token), text: 'y' });
      const { value } = await (token === 0 ? read.first : read.events.next());
      if (value?.type === 'tokens') chars += value.text.length;
    }

    expect(chars).toBe(4);
    let kept = 0;
    const drain = async ({ events, first }: (typeof unread)[number]) => {
      await first;
      for await (const event of events) if (event.type === 'tokens') kept += event.text.length;
    };
    const codes: unknown[] = [];
    const given = unread.map((one) => drain(one).catch((error: MeshError) => void codes.push(error.code)));
    await clock.advance(60_000);
    await Promise.all(given);
    expect(codes).toContain('cancelled');
    expect(kept).toBeLessThanOrEqual(32 * 1024 * 1024 + 32 * 500_000);
  });

  it('IN9: aborting rejects at once and tells the peer', async () => {
    const { controller, outcome, sent } = start();
    controller.abort();
    await expect(outcome).rejects.toMatchObject({ code: 'cancelled' });
    expect(sent).toEqual(['job-start', 'job-cancel']);
  });

  it('IN22: tokens without text are no sign of life: a peer that sends only those counts as lost as a silent one does', async () => {
    const { clock, outcome, requester, events, sent } = start(10_000);
    for (let token = 0; token < 61; token += 1) {
      requester.handleReply(bob, delta(token, ''));
      await clock.advance(1_000);
    }
    await expect(outcome).rejects.toMatchObject({ code: 'peer_lost' });
    expect(events).toEqual([]);
    expect(sent).toEqual(['job-start', 'job-cancel']);
  });

  it('IN22: in the middle of an answer they buy a peer as long again, and no more', async () => {
    const { clock, outcome, requester, sent } = start(10_000);
    for (let token = 0; token < 12; token += 1) requester.handleReply(bob, delta(token, 'a'));
    for (let token = 12; token < 51; token += 1) {
      requester.handleReply(bob, delta(token, ''));
      await clock.advance(100);
    }
    expect(sent).toEqual(['job-start']);
    await clock.advance(200);
    await expect(outcome).rejects.toMatchObject({ code: 'peer_lost' });
  });

  it('IN23: tokens without text are given with the next text, and the last ones before the end', async () => {
    const { clock, requester, outcome, events } = start();
    const replies = [delta(0, ''), delta(1, ''), delta(2, 'a'), delta(3, 'b'), delta(4, ''), end];
    for (const reply of replies) {
      requester.handleReply(bob, reply);
      await clock.advance(1);
    }
    await outcome;
    expect(events).toMatchObject([
      { type: 'tokens', text: 'a', tokenCount: 3 },
      { type: 'tokens', text: 'b', tokenCount: 1 },
      { type: 'tokens', text: '', tokenCount: 1 },
      { type: 'end' },
    ]);
  });

  it('IN25: texts that nobody has read yet are given as one, those with probabilities as they came', async () => {
    const { clock, requester, outcome, events } = start();
    for (const [token, text] of ['a', 'b', 'c'].entries()) requester.handleReply(bob, delta(token, text));
    await clock.advance(1);
    requester.handleReply(bob, delta(3, 'd'));
    requester.handleReply(bob, end);
    await outcome;
    expect(events).toMatchObject([
      { type: 'tokens', text: 'abc', tokenCount: 3 },
      { type: 'tokens', text: 'd', tokenCount: 1 },
      { type: 'end' },
    ]);

    const likely = start(10_000, { topLogprobs: 0 });
    const logprobs = [{ token: 'a', logprob: -1, top: [] }];
    for (const token of [0, 1]) likely.requester.handleReply(bob, { ...delta(token, 'a'), logprobs } as JobReply);
    likely.requester.handleReply(bob, end);
    await likely.outcome;
    expect(likely.events).toMatchObject([{ tokenCount: 1, logprobs }, { tokenCount: 1, logprobs }, { type: 'end' }]);
  });

  it('MS9: the asker measures the first token from its text', async () => {
    const { clock, requester, outcome, events } = start(100);
    requester.handleReply(bob, delta(0, ''));
    await clock.advance(3_000);
    for (let token = 1; token <= 12; token += 1) {
      requester.handleReply(bob, delta(token, 'a'));
      await clock.advance(100);
    }
    requester.handleReply(bob, { ...end, usage: { ...end.usage, completionTokens: 13 } });
    await outcome;
    expect(events.at(-1)).toMatchObject({ measurement: { ttftMs: 3_000, tokensPerSecond: 10 } });
  });
});
