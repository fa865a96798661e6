/**
 * Messages to tokens, exactly as llama.cpp's own `--jinja` does it, because a tab runs the same file through llama.cpp's
 * server code and both must see the same prompt.
 */
import { Template } from '@huggingface/jinja';
import { type ChatMessage, MeshError } from '@tabmesh/shared';
import type { Token } from 'node-llama-cpp';

export interface Vocabulary {
  /** Special tokens in the text become tokens; nothing is added in front. */
  tokenize(text: string): Token[];
  /** Set when the model wants one at the beginning. */
  readonly bosToken: Token | undefined;
  readonly bosText: string;
  readonly eosText: string;
}

export type ChatPrompt = (messages: readonly ChatMessage[]) => Token[];

/**
 * @param source the file's `tokenizer.chat_template`; ChatML when empty, as in llama.cpp.
 * @throws MeshError `model_invalid` when the template can't be parsed. The returned function throws `invalid_request` when
 *   the template refuses the messages.
 */
export function createChatPrompt(source: string, vocabulary: Vocabulary): ChatPrompt {
  const template = parse(source === '' ? CHATML : source);
  const render = (messages: readonly ChatMessage[]) =>
    template.render({
      messages,
      add_generation_prompt: true,
      bos_token: vocabulary.bosText,
      eos_token: vocabulary.eosText,
      // llama-server's default.
      enable_thinking: true,
    });
  return (messages) => {
    const text = renderOrRefuse(messages, render);
    if (vocabulary.bosToken === undefined) return vocabulary.tokenize(text);
    const withoutBos = text.startsWith(vocabulary.bosText) ? text.slice(vocabulary.bosText.length) : text;
    return [vocabulary.bosToken, ...vocabulary.tokenize(withoutBos)];
  };
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

function renderOrRefuse(
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string,
): string {
  try {
    return render(messages);
  } catch (refusal) {
    const folded = foldSystemIntoUser(messages);
    if (folded !== undefined) {
      try {
        return render(folded);
      } catch {
        // The first refusal is the one that speaks of what was sent.
      }
    }
    throw new MeshError('invalid_request', `The model's chat template refuses these messages: ${textOf(refusal)}`, {
      cause: refusal,
    });
  }
}

/** Some templates (Gemma's) know no system role; its text then goes in front of the first user message. */
function foldSystemIntoUser(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const [system, user, ...rest] = messages;
  if (system?.role !== 'system' || user?.role !== 'user') return undefined;
  return [{ role: 'user', content: `${system.content}\n\n${user.content}` }, ...rest];
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
