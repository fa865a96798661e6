/**
 * A peer's refusal, told as what it is: the code is one of the wire's, the sentence this end's own, and what the peer said
 * stands in it as a quotation. A stranger's 'Your key expired, renew at …' reads as nobody else's word, and leads nowhere.
 */
import { MeshError } from '../errors.ts';
import { MAX_QUOTED_CHARS } from '../limits.ts';
import { printable } from '../printable.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import type { WireErrorCode } from '../protocol/wire-errors.ts';
import { toldWaitMs } from '../told-wait.ts';

const MEANING: Readonly<Record<WireErrorCode, string>> = {
  peer_busy: 'The peer that was asked has no free slot: try again in a moment.',
  peer_draining: 'The peer that was asked is leaving: try again.',
  no_peer_with_model: 'The peer that was asked does not serve this model any more: try again, or choose another model.',
  context_length_exceeded:
    "The prompt does not fit the model's context at the peer that was asked: shorten the conversation or start a new chat.",
  invalid_request: 'The peer that was asked takes the request for wrong: change it and try again.',
  unsupported: 'The peer that was asked lacks what the request wants: leave that out, or choose another model.',
  payload_too_large: 'The request is too large for the peer that was asked: shorten it.',
  out_of_memory: 'The peer that was asked ran out of memory: try again, or choose a smaller model.',
  cancelled: 'The peer that was asked stopped the answer: try again.',
  engine_failed: 'The peer that was asked failed to answer: try again, or choose another model.',
};

export class PeerRefusal extends MeshError {
  constructor({ code, message, waitMs, param }: PeerMessageOf<'job-error'>) {
    super(code, sentenceOf(code, message), {
      // One peer's word on its own state: another peer may do better, whatever this one says of that.
      retryable: true,
      details: {
        ...(waitMs === undefined ? {} : { waitMs: toldWaitMs(waitMs) ?? 0 }),
        ...(param === undefined ? {} : { param: printable(param) }),
      },
    });
  }
}

function sentenceOf(code: WireErrorCode, said: string): string {
  const words = quotable(said);
  return words === '' ? MEANING[code] : `${MEANING[code]} It said: "${words}"`;
}

/** What begins a link in Markdown, in a terminal or in a chat window: an address, a domain with `www`, a label with a target. */
const LINKS = /\S*(?:\/\/|\bwww\.|\bmailto:)\S*|\]\(\S*/gi;

/** One line without an end of the quotation, and without anything that somebody could click. */
function quotable(text: string): string {
  const line = printable(text.replace(/\s+/g, ' ').trim().replaceAll('"', "'")).replace(LINKS, '(a link)');
  return line.length <= MAX_QUOTED_CHARS ? line : `${line.slice(0, MAX_QUOTED_CHARS)} …`;
}
