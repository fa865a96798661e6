/**
 * Messages to the text of a prompt, exactly as llama.cpp's own `--jinja` does it, because a native peer and a tab that run
 * one file must see one prompt. Not in the package's index: only engines need it, and it brings a template engine along.
 */
import { Template } from '@huggingface/jinja';
import { MeshError } from '../errors.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import { arrangedTurns, saysAll } from './arranged-turns.ts';
import { NO_THOUGHT, opensThought, THOUGHT_OPENED } from './thought-splitter.ts';

/**
 * Whether the model is to think first. Undefined and true: where it knows how to; false: not where the template lets one
 * choose; 'never': not even where it does not, for an answer whose grammar begins with its first token; 'opened': the thought
 * is opened where the model would do that itself, for an answer whose grammar begins behind it.
 */
export type Thinking = boolean | 'never' | 'opened' | undefined;

export { NO_THOUGHT, THOUGHT_OPENED };

export type ChatTemplate = (messages: readonly ChatMessage[], thinking?: Thinking) => string;

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
  const render = (messages: readonly ChatMessage[], thinking: Thinking) =>
    template.render({
      messages,
      add_generation_prompt: true,
      bos_token: special.bosText,
      eos_token: special.eosText,
      // llama-server's default.
      enable_thinking: thinking !== false && thinking !== 'never',
      // As some others call it, and some think only where they are told to.
      ...(typeof thinking === 'boolean' ? { thinking } : {}),
    });
  return (messages, thinking) => {
    const text = renderOrRefuse(messages, (all) => render(all, thinking));
    const isOpen = opensThought(text);
    if (thinking === 'never' && isOpen) return text + NO_THOUGHT;
    if (thinking !== 'opened' || isOpen) return text;
    // What a template adds where the model shall not think tells that it would.
    const without = renderOrRefuse(messages, (all) => render(all, false));
    return EMPTY_THOUGHT.test(without.slice(text.length)) && without.startsWith(text) ? text + THOUGHT_OPENED : text;
  };
}

const EMPTY_THOUGHT = /^\s*<think>\s*<\/think>\s*$/;

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
