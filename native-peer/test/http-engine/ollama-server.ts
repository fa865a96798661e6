/** A server that speaks Ollama's own API, with its shapes, words and habits. */
import { type ModelHttpServer, type Page, startModelServer } from './model-http-server.ts';
import { promptTokens, ScriptedModel } from './scripted-model.ts';

export interface OllamaServer extends ModelHttpServer {
  running(): number;
}

const MODEL = 'qwen3:8b';
const TOO_LONG = { error: 'the input length exceeds the context length' };

export async function startOllamaServer(port?: number): Promise<OllamaServer> {
  const model = new ScriptedModel();
  const server = await startModelServer(
    {
      '/api/version': (page) => page.json({ version: '0.13.1' }),
      '/api/tags': (page) =>
        page.json({
          models: [
            {
              name: MODEL,
              model: MODEL,
              size: 5_200_000_000,
              digest: 'e4b5fd7f8af0',
              details: { format: 'gguf', quantization_level: 'Q4_K_M' },
            },
          ],
        }),
      '/api/show': (page) =>
        page.json({
          parameters: 'stop                           "<|im_start|>"\nnum_ctx                        512',
          model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 40_960 },
          capabilities: ['completion', 'thinking'],
        }),
      '/api/chat': (page) => chat(model, page),
      '/api/embed': ({ body, json }) => {
        const inputs: string[] = body.input;
        const isTooLong = (text: string) => promptTokens([{ role: 'user', content: text }]) >= body.options.num_ctx;
        if (inputs.some(isTooLong) && body.truncate === false) return json(TOO_LONG, 400);
        json({
          model: MODEL,
          embeddings: inputs.map(({ length }) => [length, 4]),
          prompt_eval_count: inputs.length * 2,
        });
      },
    },
    port,
  );
  return { ...server, running: () => model.running() };
}

async function chat(model: ScriptedModel, page: Page): Promise<void> {
  const { messages, options, format, logprobs } = page.body;
  const tokens = promptTokens(messages);
  // With `truncate` it would answer the end of the conversation.
  if (tokens >= options.num_ctx && page.body.truncate === false) {
    return page.json(TOO_LONG, 400);
  }
  const answer = model.answer(
    {
      messages,
      maxTokens: options.num_predict,
      temperature: options.temperature,
      seed: options.seed,
      stop: options.stop,
      schema: format === 'json' ? { type: 'object' } : format,
      frequencyPenalty: options.frequency_penalty,
    },
    page.signal,
  );
  const write = page.stream('application/x-ndjson');
  const send = (line: object) =>
    write(`${JSON.stringify({ model: MODEL, created_at: '2026-11-20T09:00:00Z', ...line })}\n`);
  try {
    let step = await answer.next();
    for (; step.done !== true; step = await answer.next()) {
      const { text } = step.value;
      const likely = { token: text, logprob: -0.25 };
      const told = logprobs === true ? { logprobs: [{ ...likely, top_logprobs: [likely] }] } : {};
      if (!(await send({ message: { role: 'assistant', content: text }, done: false, ...told }))) return page.end();
    }
    const { reason, completionTokens } = step.value;
    await send({
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: reason,
      total_duration: 1,
      prompt_eval_count: step.value.promptTokens,
      eval_count: completionTokens,
    });
  } catch {
    // The reader left.
  }
  page.end();
}
