import { type EmbedRequest, MeshError, ModelId } from '@tabmesh/shared';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { startListening } from '../setup/listening-server.ts';
import type { ScriptedMesh } from '../setup/scripted-mesh.ts';
import { startServer } from '../setup/start-server.ts';

const model = ModelId.parse('mesh-tiny');

function startEmbedder() {
  const { mesh, app } = startServer();
  const asked = letEmbed(mesh);
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/embeddings', payload });
  return { mesh, asked, post };
}

/** The vector of a text is [its length, 0, 0, 1], made of length 1. Gives what will have been asked. */
function letEmbed(mesh: ScriptedMesh): readonly EmbedRequest[] {
  const asked: EmbedRequest[] = [];
  mesh.embed = async (request) => {
    asked.push(request);
    const vectors = request.inputs.map(({ length }) => {
      const size = Math.hypot(length, 1);
      return Float32Array.of(length / size, 0, 0, 1 / size);
    });
    return { model, peerId: mesh.servedBy, vectors, promptTokens: request.inputs.length * 3 };
  };
  return asked;
}

describe('embeddings', () => {
  it('AP60: are one for each text, in order, with usage, and name the peer', async () => {
    const { mesh, asked, post } = startEmbedder();

    const reply = await post({ model: 'mesh-tiny', input: ['a', 'bcd'], user: 'somebody' });

    expect(reply.json()).toEqual({
      object: 'list',
      data: [
        {
          object: 'embedding',
          index: 0,
          embedding: [expect.closeTo(Math.SQRT1_2), 0, 0, expect.closeTo(Math.SQRT1_2)],
        },
        { object: 'embedding', index: 1, embedding: [expect.closeTo(0.9487), 0, 0, expect.closeTo(0.3162)] },
      ],
      model: 'mesh-tiny',
      usage: { prompt_tokens: 6, total_tokens: 6 },
    });
    expect(reply.headers).toMatchObject({ 'x-tabmesh-served-by': 'mesh', 'x-tabmesh-peer': mesh.servedBy });
    expect(asked).toEqual([{ model: 'mesh-tiny', inputs: ['a', 'bcd'], client: expect.any(String) }]);
  });

  it('AP60: of one text are a list of one, from the default model when none is named', async () => {
    const { asked, post } = startEmbedder();

    const reply = await post({ input: 'a', model: null });

    expect(reply.json().data).toHaveLength(1);
    expect(asked).toEqual([{ inputs: ['a'], client: expect.any(String) }]);
  });

  it('AP61: in base64 are the same numbers, as 32-bit floats', async () => {
    const { post } = startEmbedder();
    const input = ['a', 'bcd'];

    const floats = (await post({ input, encoding_format: 'float' })).json().data;
    const texts = (await post({ input, encoding_format: 'base64' })).json().data;

    for (const [index, { embedding }] of texts.entries()) {
      const bytes = Buffer.from(embedding, 'base64');
      expect(Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))).toEqual(
        floats[index].embedding,
      );
    }
  });

  it('AP62: are cut to the dimensions that are asked for, of length 1 again; more than there are is refused', async () => {
    const { post } = startEmbedder();

    const cut = (await post({ input: 'abc', dimensions: 2 })).json().data[0].embedding;
    const whole = (await post({ input: 'abc', dimensions: 4 })).json().data[0].embedding;
    const refused = await post({ input: 'abc', dimensions: 5 });

    expect(cut).toEqual([1, 0]);
    expect(whole).toHaveLength(4);
    expect(refused.statusCode).toBe(400);
    expect(refused.json().error).toMatchObject({ param: 'dimensions', message: expect.stringContaining('have 4') });
  });

  it.each([
    ['input', {}],
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input[1]', { input: ['a', ''] }],
    ['input', { input: [1, 2, 3] }],
    ['input', { input: [[1, 2, 3]] }],
    ['input', { input: Array.from({ length: 2_049 }, () => 'a') }],
    ['encoding_format', { input: 'a', encoding_format: 'hex' }],
    ['dimensions', { input: 'a', dimensions: 0 }],
    ['model', { input: 'a', model: 7 }],
  ])('AP63: a wrong %s is refused by its name before the mesh is asked', async (param, payload) => {
    const { asked, post } = startEmbedder();

    const reply = await post(payload);

    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ code: 'invalid_request', param });
    expect(asked).toEqual([]);
  });

  it('AP63: that no peer makes are refused as the mesh refuses them', async () => {
    const { mesh, post } = startEmbedder();
    mesh.embed = () => Promise.reject(MeshError.nothingServed());

    const reply = await post({ input: 'a' });

    expect(reply.statusCode).toBe(503);
    expect(reply.json().error.code).toBe('no_peer_with_model');
  });

  it('AP64: whose client leaves are cancelled', async () => {
    const { mesh, openai } = await startListening();
    const abort = new AbortController();
    const cancelled = new Promise<void>((resolve) => {
      mesh.embed = (_request, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            resolve();
            reject(MeshError.cancelled());
          });
          abort.abort();
        });
    });
    const asking = openai.embeddings.create({ model, input: 'a' }, { signal: abort.signal });
    await expect(asking).rejects.toThrow(OpenAI.APIUserAbortError);
    await cancelled;
  });

  it("AP65: reach OpenAI's own client as numbers", async () => {
    const { mesh, openai } = await startListening();
    letEmbed(mesh);

    const { data } = await openai.embeddings.create({ model, input: ['a', 'bcd'], dimensions: 1 });

    expect(data.map(({ embedding }) => embedding)).toEqual([[1], [1]]);
  });
});
