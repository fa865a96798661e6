/**
 * Messages to the text of a prompt, exactly as llama.cpp's own `--jinja` does it, because a native peer and a tab that run
 * one file must see one prompt. Not in the package's index: only engines need it, and it brings a template engine along.
 */
import { Template } from '@huggingface/jinja';
import { MeshError } from '../errors.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import { arrangedTurns, saysAll } from './arranged-turns.ts';

export type ChatTemplate = (messages: readonly ChatMessage[]) => string;

/**
 * @param source the file's `tokenizer.chat_template`; ChatML when empty, as in llama.cpp.
 * @throws MeshError `model_invalid` when the template can't be parsed. The returned function throws `invalid_request` when
 *   the template refuses the messages.
 */
export function createChatTemplate(
  source: string,
  special: { readonly bosText: string; readonly eosText: string },
): ChatTemplate {
  const template = parse(source === '' ? CHATML : source);
  const render = (messages: readonly ChatMessage[]) =>
    template.render({
      messages,
      add_generation_prompt: true,
      bos_token: special.bosText,
      eos_token: special.eosText,
      // llama-server's default.
      enable_thinking: true,
    });
  return (messages) => renderOrRefuse(messages, render);
}

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

function parse(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    throw MeshError.modelInvalid("The model's chat template can't be read. Use another file of this model.", cause);
  }
}

/** As the messages are; where the template refuses them or passes over one, as it takes all of them. */
function renderOrRefuse(
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string,
): string {
  const attempt = (arranged: readonly ChatMessage[]) => {
    try {
      const prompt = render(arranged);
      return { prompt, isWhole: saysAll(prompt, arranged) };
    } catch (refusal) {
      return { refusal };
    }
  };
  const first = attempt(messages);
  if (first.isWhole) return first.prompt;
  let partial = first.prompt;
  for (const arranged of arrangedTurns(messages)) {
    const next = attempt(arranged);
    if (next.isWhole) return next.prompt;
    partial ??= next.prompt;
  }
  // What no order makes whole is the template's way with such messages.
  if (partial !== undefined) return partial;
  // The first refusal is the one that speaks of what was sent.
  const { refusal } = first;
  throw new MeshError('invalid_request', `The model's chat template refuses these messages: ${textOf(refusal)}`, {
    cause: refusal,
    details: { param: 'messages' },
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
