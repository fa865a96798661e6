/** Token probabilities as OpenAI's protocol and Ollama's tell them, in the mesh's terms. */
import type { TokenLogprob } from '@tabmesh/shared';
import { z } from 'zod';
import { MOST_TOKEN_BYTES, MOST_TOKEN_CHARS } from '../limits.ts';

const Likely = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int().min(0).max(255)).nullish(),
});
export const Logprob = Likely.extend({ top_logprobs: z.array(Likely).nullish() });
type Likely = z.infer<typeof Likely>;

export function tokenLogprob(logprob: z.infer<typeof Logprob>, top: number): TokenLogprob {
  return { ...likelihood(logprob), top: (logprob.top_logprobs ?? []).slice(0, top).map(likelihood) };
}

/** Bytes only where the text alone does not say them. Rounding puts certain tokens a little above 0. */
function likelihood({ token, logprob, bytes }: Likely) {
  const told = bytes?.slice(0, MOST_TOKEN_BYTES);
  return {
    token: token.slice(0, MOST_TOKEN_CHARS),
    logprob: Math.min(0, logprob),
    ...(told == null || Buffer.from(told).equals(Buffer.from(token, 'utf8')) ? {} : { bytes: told }),
  };
}
