/** `POST /v1/embeddings`: one vector for each text, from a peer whose engine makes them. */
import { MeshError } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { askingOf } from '../answers/asking.ts';
import type { ServerParts } from '../build-server.ts';
import { abortWithoutReader } from '../http/request-abort.ts';
import { readBody } from '../http/request-body.ts';
import { MAX_EMBEDDING_DIMENSIONS, MAX_EMBEDDING_INPUTS } from '../limits/limits.ts';
import { toModelId } from './sampling-fields.ts';

const text = z.string().min(1);
const Body = z.object({
  model: z.string().nullish(),
  input: z.union(
    [text, z.array(text).min(1).max(MAX_EMBEDDING_INPUTS)],
    `expected a text or a list of 1 to ${MAX_EMBEDDING_INPUTS} texts, none of them empty; token ids mean something else to every model`,
  ),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(MAX_EMBEDDING_DIMENSIONS).nullish(),
});

export function registerEmbeddings(app: FastifyInstance, parts: ServerParts): void {
  app.post('/v1/embeddings', (request, reply) => answerEmbeddings(parts, request, reply));
}

async function answerEmbeddings(parts: ServerParts, request: FastifyRequest, reply: FastifyReply) {
  const { model, input, encoding_format, dimensions } = readBody(request.body, Body);
  const abort = abortWithoutReader(reply);
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
    throw new MeshError(
      'invalid_request',
      `The field 'dimensions' is ${dimensions}, but the model's vectors have ${vector.length}. Ask for so many or fewer.`,
      { details: { param: 'dimensions' } },
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
