/** The asking end against whatever a provider may say, in whatever order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import type { JobReply } from '../jobs/job-sink.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import type { JobEvent } from './incoming-answer.ts';
import { Requester } from './requester.ts';

const random = createSeededRandom(8);
const bob = createIdentity(random).peerId;
const mallory = createIdentity(random).peerId;
const jobId = JobId.parse('00112233445566778899aabbccddeeff');
const otherJob = JobId.parse('ffeeddccbbaa99887766554433221100');

/** What may be said and done, one after the other. `from` and `to` are tokens of the true answer. */
type Move =
  | { readonly do: 'say'; readonly from: number; readonly to: number }
  /** The next tokens, as an honest peer would. */
  | { readonly do: 'go-on'; readonly count: number }
  | { readonly do: 'end' }
  | { readonly do: 'fail' }
  | { readonly do: 'meddle' }
  | { readonly do: 'other-job' }
  | { readonly do: 'read' };

const place = fc.nat({ max: 12 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('go-on' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('say' as const), from: place, to: place }) },
  { weight: 3, arbitrary: fc.constant({ do: 'read' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('meddle' as const, 'other-job' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'fail' as const) }) },
);
const tokensOfTruth = fc.array(fc.string({ maxLength: 3 }), { minLength: 12, maxLength: 12 });

describe('an answer', () => {
  it('IN14: is the beginning of what the peer really said, each token once, whatever else is said', async () => {
    await fc.assert(
      fc.asyncProperty(tokensOfTruth, fc.array(move, { maxLength: 30 }), async (truth, moves) => {
        const asked = start();
        let next = 0;
        for (const step of moves) {
          if (step.do === 'read') await asked.read();
          else if (step.do === 'meddle') for (const reply of lies(jobId)) asked.hear(mallory, reply);
          else if (step.do === 'other-job') for (const reply of lies(otherJob)) asked.hear(bob, reply);
          else if (step.do === 'end') asked.hear(bob, endOf(truth.length));
          else if (step.do === 'fail') asked.hear(bob, failure);
          else {
            const [from, to] =
              step.do === 'go-on'
                ? [next, Math.min(truth.length, next + step.count)]
                : [Math.min(step.from, step.to), Math.max(step.from, step.to)];
            if (from < to) asked.hear(bob, delta(from, to - from, truth.slice(from, to).join('')));
            if (step.do === 'go-on') next = to;
          }
        }
        await asked.finish();
        const { text, tokenCount, ends } = asked.delivered();
        expect(text).toBe(truth.slice(0, tokenCount).join(''));
        expect(ends.length).toBeLessThanOrEqual(1);
        for (const { usage } of ends) expect(usage.completionTokens).toBe(tokenCount);
        expect(asked.clock.pendingTimers()).toBe(0);
      }),
      { numRuns: 250 },
    );
  });

  it('IN15: takes nothing from what came before it was asked for', async () => {
    const requester = new Requester({ clock: new ManualClock() });
    for (const reply of [delta(0, 1, 'early'), endOf(1)]) requester.handleReply(bob, reply);
    const asked = start(requester);
    for (const reply of [delta(0, 1, 'a'), endOf(1)]) asked.hear(bob, reply);
    await asked.finish();
    expect(asked.delivered()).toMatchObject({ text: 'a', tokenCount: 1, ends: [{ reason: 'stop' }] });
  });

  it('IN15: has one end, the first one, with no more tokens than came', async () => {
    const asked = start();
    for (const reply of [delta(0, 2, 'ab'), endOf(9_000_000), endOf(1), delta(2, 1, 'late'), failure]) {
      asked.hear(bob, reply);
    }
    await asked.finish();
    expect(asked.delivered()).toMatchObject({ text: 'ab', ends: [{ usage: { completionTokens: 2 } }] });
    expect(asked.sent).toEqual(['job-start']);
  });
});

function delta(firstToken: number, tokenCount: number, text: string): JobReply {
  return { type: 'token-delta', jobId, firstToken, tokenCount, text };
}

function endOf(completionTokens: number): JobReply {
  return { type: 'job-end', jobId, reason: 'stop', usage: { promptTokens: 1, completionTokens, cachedTokens: 0 } };
}

const failure: JobReply = { type: 'job-error', jobId, code: 'engine_failed', message: 'It broke.', retryable: true };

/** From a peer that was not asked, or of a job that is not this one. */
function lies(id: JobId): JobReply[] {
  return [{ ...delta(0, 1, 'evil'), jobId: id } as JobReply, { ...endOf(0), jobId: id }, { ...failure, jobId: id }];
}

function start(requester?: Requester) {
  const clock = new ManualClock();
  const asking = requester ?? new Requester({ clock });
  const sent: string[] = [];
  const line = { remote: bob, isOpen: true, send: (message: { type: string }) => sent.push(message.type) };
  const parameters = {
    messages: [{ role: 'user' as const, content: 'Hi' }],
    maxTokens: 1_000,
    temperature: 0,
    topP: 1,
    stop: [],
  };
  const controller = new AbortController();
  const job = { jobId, model: ModelId.parse('m'), parameters };
  const events = asking.run(line, job, controller.signal);
  const heard: JobEvent[] = [];
  let over = false;
  const take = () =>
    events.next().then(
      ({ value, done }) => {
        over ||= done === true;
        if (value !== undefined) heard.push(value);
      },
      () => {
        over = true;
      },
    );
  // The reader waits already when the peer begins to speak.
  let reading: Promise<void> = take();
  return {
    clock,
    sent,
    hear: (from: typeof bob, reply: JobReply) => asking.handleReply(from, reply),
    /** Lets the reader take one event, if there is one. */
    async read() {
      await Promise.race([reading, clock.advance(0)]);
      if (!over) reading = reading.then(() => (over ? undefined : take()));
      await clock.advance(0);
    },
    /** Reads what there is, then gives up. */
    async finish() {
      await clock.advance(0);
      controller.abort();
      for (await reading; !over; ) await take();
    },
    delivered() {
      const tokens = heard.filter((event) => event.type === 'tokens');
      return {
        text: tokens.map(({ text }) => text).join(''),
        tokenCount: tokens.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
        ends: heard.filter((event) => event.type === 'end'),
      };
    },
  };
}
