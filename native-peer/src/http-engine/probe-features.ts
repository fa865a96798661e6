/**
 * What a server really does beside text, found out by asking: many take a parameter that they don't know and ignore it, and
 * a peer must not promise JSON that nothing enforces.
 */
import { type GenerationRequest, MeshError, type ModelFeature } from '@tabmesh/shared';
import { isUnreachable } from './model-server.ts';
import type { ServerProtocol } from './server-protocol.ts';

type Ask = (request: Partial<GenerationRequest>) => Promise<Said>;

interface Said {
  readonly text: string;
  /** With the thoughts. */
  readonly everything: string;
  readonly logprobs: number;
}

/** Some ten short requests, nearly all at once. @throws MeshError `cancelled`, or that the server is gone */
export async function probeFeatures(protocol: ServerProtocol, signal: AbortSignal): Promise<ModelFeature[]> {
  const ask: Ask = (request) => said(protocol, request, signal);
  // Alone: what is computed beside it may turn a draw.
  const seed = await isProven(proveSeed(ask), signal);
  const proofs: readonly (readonly [ModelFeature, Promise<boolean>])[] = [
    ['json', proveJson(ask)],
    ['logprobs', proveLogprobs(ask)],
    ['logit-bias', proveLogitBias(ask)],
    ['penalties', provePenalties(ask)],
    ['embeddings', proveEmbeddings(protocol, signal)],
  ];
  const found = await Promise.all(
    proofs.map(async ([feature, proof]) => ((await isProven(proof, signal)) ? [feature] : [])),
  );
  return [...(seed ? (['seed'] as const) : []), ...found.flat()];
}

/** A refusal is no proof; a server that is gone proves nothing. */
async function isProven(proof: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  try {
    return await proof;
  } catch (error) {
    if (signal.aborted || isUnreachable(error)) throw error;
    return false;
  }
}

async function proveSeed(ask: Ask): Promise<boolean> {
  const drawn = { temperature: 1, seed: 7, maxTokens: 16 };
  const first = await ask(drawn);
  const again = await ask(drawn);
  return first.everything !== '' && first.everything === again.everything;
}

async function proveJson(ask: Ask): Promise<boolean> {
  const schema = {
    type: 'object',
    properties: { mesh: { enum: ['tab'] } },
    required: ['mesh'],
    additionalProperties: false,
  };
  // Room for a model that thinks first.
  const { text } = await ask({ responseFormat: { type: 'json_schema', schema }, maxTokens: 256 });
  try {
    return JSON.parse(text).mesh === 'tab';
  } catch {
    return false;
  }
}

async function proveLogprobs(ask: Ask): Promise<boolean> {
  const { logprobs } = await ask({ topLogprobs: 1, maxTokens: 4 });
  return logprobs > 0;
}

/** Whatever these two tokens are, a server that heeds the bias says nothing but the one or the other. */
async function proveLogitBias(ask: Ask): Promise<boolean> {
  const only = async (token: string) => {
    const { everything } = await ask({ logitBias: { [token]: 100 }, maxTokens: 3 });
    return /^(\S+)\1\1$/.exec(everything.replaceAll(/\s/g, ''))?.[1];
  };
  const [one, other] = await Promise.all([only('300'), only('301')]);
  return one !== undefined && other !== undefined && one !== other;
}

/** Below zero they are rewards: the answer begins to repeat itself. */
async function provePenalties(ask: Ask): Promise<boolean> {
  const variety = async (penalty: number) => {
    const sampling = { presencePenalty: penalty, frequencyPenalty: penalty, maxTokens: 48 };
    const words = (await ask(sampling)).everything.toLowerCase().match(/\S+/g) ?? [];
    return new Set(words).size / words.length;
  };
  const [plain, rewarded] = await Promise.all([variety(0), variety(-2)]);
  return rewarded < plain;
}

/** llama-server mixes up texts of different lengths that it computes together, unless it runs with `--kv-unified`. */
async function proveEmbeddings(protocol: ServerProtocol, signal: AbortSignal): Promise<boolean> {
  const text = 'Tell me a story about a fox.';
  const embed = async (...inputs: string[]) => (await protocol.embed(inputs, signal)).vectors;
  const [alone = []] = await embed(text);
  const [first = [], second = []] = await embed(text, 'mesh');
  return second.length === first.length && alone.length > 0 && likeness(alone, first) > 0.999;
}

function likeness(left: readonly number[], right: readonly number[]): number {
  const product = left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);
  return product / (Math.hypot(...left) * Math.hypot(...right));
}

async function said(protocol: ServerProtocol, request: Partial<GenerationRequest>, signal: AbortSignal): Promise<Said> {
  let text = '';
  let everything = '';
  let logprobs = 0;
  const asked: GenerationRequest = {
    messages: [{ role: 'user', content: 'Tell me a story about a fox.' }],
    maxTokens: 16,
    temperature: 0,
    topP: 1,
    stop: [],
    ...request,
  };
  for await (const part of protocol.answer(asked, signal)) {
    text += part.text;
    everything += part.thought + part.text;
    logprobs += part.logprobs.length;
  }
  if (signal.aborted) throw MeshError.cancelled();
  return { text, everything, logprobs };
}
