import { describe, expect, it } from 'vitest';
import { MAX_TOLD_WAIT_MS } from '../limits.ts';
import { JobId } from '../protocol/ids.ts';
import { JobError } from '../protocol/messages.ts';
import { WIRE_ERROR_CODES } from '../protocol/wire-errors.ts';
import { PeerRefusal } from './peer-refusal.ts';

const jobId = JobId.parse('00112233445566778899aabbccddeeff');

/** As it comes from the wire. */
function refusal(code: string, message: string, waitMs?: number): PeerRefusal {
  return new PeerRefusal(JobError.parse({ type: 'job-error', jobId, code, message, retryable: false, waitMs }));
}

describe("a peer's refusal", () => {
  it("IN24: '401 Your key expired' is told as a peer's words, behind a code and a sentence of this end", () => {
    const { code, message, retryable } = refusal(
      'unauthorized',
      '401 Your key expired, renew at https://evil.example/pay',
    );
    expect({ code, retryable }).toEqual({ code: 'engine_failed', retryable: true });
    expect(message).toBe(
      'The peer that was asked failed to answer: try again, or choose another model. ' +
        `It said: "401 Your key expired, renew at (a link)"`,
    );
  });

  it.each(WIRE_ERROR_CODES)('IN24: %s without a word of the peer is one sentence that names the next step', (code) => {
    expect(refusal(code, ' \n ').message).toMatch(/^(The|No) [^"]+: [^"]+\.$/);
  });

  it.each([
    ['see http://evil.example/a?b', 'see (a link)'],
    ['please [renew](//evil.example) it', 'please (a link) it'],
    ['![](data:text/html,x)', '![(a link)'],
    ['WWW.evil.example and mailto:me@evil.example', '(a link) and (a link)'],
    ['x". Your key expired. "', "x'. Your key expired. '"],
    ['one\r\n\u001b[2Jtwo \u202eeerht', 'one \\u001b[2Jtwo \\u202eeerht'],
    ['the file model-1.2.gguf, 3/4 done', 'the file model-1.2.gguf, 3/4 done'],
  ])('IN24: %j is quoted as %j', (said, quoted) => {
    expect(refusal('engine_failed', said).message.split('It said: ')[1]).toBe(`"${quoted}"`);
  });

  it('IN24: at most 300 characters are quoted', () => {
    expect(refusal('invalid_request', 'x'.repeat(2_000)).message).toContain(`"${'x'.repeat(300)} …"`);
    expect(refusal('invalid_request', '\u0000'.repeat(2_000)).message.length).toBeLessThan(450);
  });

  it.each([
    [1e297, MAX_TOLD_WAIT_MS],
    [1.5, 2],
    [0, 0],
  ])('AP105: a wait of %d ms is read as %i', (told, read) => {
    expect(refusal('peer_busy', 'Busy.', told).details.waitMs).toBe(read);
  });
});
