/** `POST /v1/embeddings`: one vector for each text, from a peer whose engine makes them. */
import type { Mesh } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { askingOf } from '../answers/asking.ts';
import { abortOnDisconnect } from '../http/request-abort.ts';
import { fieldError, readBody } from '../http/request-body.ts';
import { MAX_EMBEDDING_DIMENSIONS, MAX_EMBEDDING_INPUTS } from '../limits/limits.ts';
import { textOrTexts, toModelId } from './request-fields.ts';

const Body = z.object({
  model: z.string().nullish(),
  input: textOrTexts(MAX_EMBEDDING_INPUTS),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(MAX_EMBEDDING_DIMENSIONS).nullish(),
});

export interface EmbeddingsParts {
  readonly mesh: Mesh | Promise<Mesh>;
}

export function registerEmbeddings(app: FastifyInstance, parts: EmbeddingsParts): void {
  app.post('/v1/embeddings', (request, reply) => answerEmbeddings(parts, request, reply));
}

async function answerEmbeddings(parts: EmbeddingsParts, request: FastifyRequest, reply: FastifyReply) {
  const { model, input, encoding_format, dimensions } = readBody(request.body, Body);
  const abort = abortOnDisconnect(reply);
  const mesh = await parts.mesh;
  const inputs = typeof input === 'string' ? [input] : input;
  const answer = await mesh.embed({ model: toModelId(model), inputs, ...askingOf(request) }, abort.signal);
  const encode = encoding_format === 'base64' ? toBase64 : (vector: Float32Array) => Array.from(vector);
  const data = answer.vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: encode(dimensions ? shortened(vector, dimensions) : vector),
  }));
  reply.headers({ 'x-tabmesh-served-by': 'mesh', 'x-tabmesh-peer': answer.peerId });
  return {
    object: 'list',
    data,
    model: answer.model,
    usage: { prompt_tokens: answer.promptTokens, total_tokens: answer.promptTokens },
  };
}

/** The first numbers, of length 1 again, as OpenAI shortens: right for models that were trained to be cut. */
function shortened(vector: Float32Array, dimensions: number): Float32Array {
  if (dimensions === vector.length) return vector;
  if (dimensions > vector.length) {
    throw fieldError(
      'dimensions',
      `is ${dimensions}, but the model's vectors have ${vector.length}. Ask for so many or fewer.`,
    );
  }
  const head = vector.slice(0, dimensions);
  const length = Math.hypot(...head);
  return length === 0 ? head : head.map((value) => value / length);
}

/** 32-bit floats, little-endian on every machine. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * Float32Array.BYTES_PER_ELEMENT);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT);
  return bytes.toString('base64');
}
