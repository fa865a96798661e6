import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { startListening } from '../setup/listening-server.ts';
import { StreamedEvent, WholeResponse } from '../setup/open-responses-schema.ts';
import { JOB_ID, type ScriptStep } from '../setup/scripted-mesh.ts';
import { startKeptResponses } from '../setup/start-kept-responses.ts';
import { call, eventsOf, startResponses, weather } from '../setup/start-responses.ts';

const script: readonly ScriptStep[] = [{ think: 'Hm, ' }, { think: 'yes.' }, { say: 'Hello' }, { say: ' there' }];
const summary = { reasoning: { summary: 'auto' } };

describe('what a model thinks', () => {
  it('AP151: is an item of its own in front of the answer, word for word, and is counted', async () => {
    const response = (await startResponses(script).post({ input: 'Hi' })).json();
    expect(WholeResponse.parse(response)).toEqual(response);
    expect(response.output).toEqual([
      { type: 'reasoning', id: `rs_${JOB_ID}0`, summary: [], content: [{ type: 'reasoning_text', text: 'Hm, yes.' }] },
      {
        type: 'message',
        id: `msg_${JOB_ID}1`,
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Hello there', annotations: [], logprobs: [] }],
      },
    ]);
    expect(response.usage).toMatchObject({ output_tokens: 4, output_tokens_details: { reasoning_tokens: 2 } });
  });

  it('AP151: is its summary where one is asked for', async () => {
    const { output } = (await startResponses(script).post({ input: 'Hi', ...summary })).json();
    expect(output[0]).toEqual({
      type: 'reasoning',
      id: `rs_${JOB_ID}0`,
      summary: [{ type: 'summary_text', text: 'Hm, yes.' }],
    });
  });

  it.each([
    ['reasoning_text', {}, 'content_part.added', 'content_part.done', 'content_index'],
    ['reasoning_summary_text', summary, 'reasoning_summary_part.added', 'reasoning_summary_part.done', 'summary_index'],
  ])('AP151: is streamed as it comes, as %s', async (kind, fields, added, done, place) => {
    const reply = await startResponses(script).post({ input: 'Hi', stream: true, ...fields });
    const events = eventsOf(reply.body);
    for (const event of events) expect(StreamedEvent.parse(event)).toEqual(event);
    expect(events.slice(2, 9).map(({ type }) => type)).toEqual(
      ['output_item.added', added, `${kind}.delta`, `${kind}.delta`, `${kind}.done`, done, 'output_item.done'].map(
        (name) => `response.${name}`,
      ),
    );
    expect(events[4]).toMatchObject({ item_id: `rs_${JOB_ID}0`, output_index: 0, [place]: 0, delta: 'Hm, ' });
    expect(events[6]).toMatchObject({ text: 'Hm, yes.' });
    expect(events[9]).toMatchObject({ type: 'response.output_item.added', output_index: 1 });
    const whole = (await startResponses(script).post({ input: 'Hi', ...fields })).json();
    expect(events.at(-1)?.response).toEqual(whole);
  });

  it('AP151: holds no calls', async () => {
    const { post } = startResponses([{ think: `Maybe ${call} or not.` }, { say: 'No call is needed.' }]);
    const { output } = (await post({ input: 'Warm?', tools: [weather] })).json();
    expect(output.map((item: { readonly type: string }) => item.type)).toEqual(['reasoning', 'message']);
  });

  it('AP151: comes between calls, never within one', async () => {
    const { post } = startResponses([
      { say: call.slice(0, -20) },
      { think: 'Hm.' },
      { say: call.slice(-20) },
      { think: ' And?' },
      { say: call },
    ]);
    const { output } = (await post({ input: 'Warm?', tools: [weather] })).json();
    expect(output).toMatchObject([
      { type: 'function_call', arguments: '{"city": "Paris"}' },
      { type: 'reasoning', content: [{ text: 'Hm. And?' }] },
      { type: 'function_call', arguments: '{"city": "Paris"}' },
    ]);
  });

  it('AP151: that never ended is all there is when it was cut, and is followed by an empty answer when it was not', async () => {
    const { mesh, post } = startResponses([{ think: 'Hm' }]);
    expect((await post({ input: 'Hi' })).json().output).toMatchObject([
      { type: 'reasoning' },
      { type: 'message', content: [{ text: '' }] },
    ]);
    const { complete } = mesh;
    mesh.complete = async function* (request, signal) {
      for await (const event of complete.call(mesh, request, signal))
        yield event.type === 'end' ? { ...event, reason: 'length' } : event;
    };
    const cut = (await post({ input: 'Hi' })).json();
    expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(cut.output).toMatchObject([{ type: 'reasoning' }]);
  });

  it('AP151: is kept of an answer that failed', async () => {
    const { post } = startResponses([{ think: 'Hm' }, { fail: MeshError.peerLost('gone') }]);
    const events = eventsOf((await post({ input: 'Hi', stream: true })).body);
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { output: [{ type: 'reasoning' }] } });
  });

  it('AP151: is not told to the model again, by whatever way it comes back', async () => {
    const { alice, mesh } = startKeptResponses(script);
    const first = (await alice.post({ input: 'Hi' })).json();
    const asks = [
      { input: 'And?', previous_response_id: first.id },
      { input: [{ role: 'user', content: 'Hi' }, ...first.output, { role: 'user', content: 'And?' }] },
      {
        input: [
          { role: 'user', content: 'Hi' },
          ...first.output.map(({ id }: { readonly id: string }) => ({ type: 'item_reference', id })),
          { role: 'user', content: 'And?' },
        ],
      },
    ];
    for (const ask of asks) {
      expect((await alice.post(ask)).statusCode).toBe(200);
      expect(mesh.requests.at(-1)?.messages).toEqual([
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello there' },
        { role: 'user', content: 'And?' },
      ]);
    }
  });

  it("AP151: is read by OpenAI's own client, in both forms", async () => {
    const { openai } = await startListening(script);
    const ask = { model: 'mesh-tiny', input: 'Hi' };
    const plain = await openai.responses.stream(ask).finalResponse();
    expect(plain.output).toMatchObject([{ type: 'reasoning', content: [{ text: 'Hm, yes.' }] }, { type: 'message' }]);
    const told = await openai.responses.stream({ ...ask, reasoning: { summary: 'auto' } }).finalResponse();
    expect(told.output).toMatchObject([{ type: 'reasoning', summary: [{ text: 'Hm, yes.' }] }, { type: 'message' }]);
    expect(told.output_text).toBe('Hello there');
  });

  it.each<[{ reasoning?: { effort: string }; chat_template_kwargs?: object }, boolean | undefined]>([
    [{}, undefined],
    [{ reasoning: { effort: 'none' } }, false],
    [{ reasoning: { effort: 'minimal' } }, false],
    [{ reasoning: { effort: 'high' } }, true],
    [{ chat_template_kwargs: { enable_thinking: false } }, false],
  ])('AP151: is asked for, or not, by the effort (%j)', async (fields, thinking) => {
    const { mesh, post } = startResponses();
    const response = (await post({ input: 'Hi', ...fields })).json();
    expect(mesh.requests[0]?.thinking).toBe(thinking);
    expect(response.reasoning.effort).toBe(fields.reasoning?.effort ?? null);
  });
});
