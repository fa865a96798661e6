/**
 * The conversations of the model families in WebLLM's list, held to WebLLM's own code: its engine prepares the prompt for a
 * pipeline that only writes it down. Templates and tokenizers as in `mlc-chat-config.json` and `tokenizer.json`, without
 * the vocabularies.
 */
import { MLCEngine } from '@mlc-ai/web-llm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConversationMessage,
  ConversationTemplate,
  conversationPieces,
} from '../src/engines/webllm/mlc-conversation.ts';
import { mlcPrompts } from '../src/engines/webllm/mlc-prompts.ts';

const ROLE_TEMPLATES = { user: '{user_message}', assistant: '{assistant_message}', tool: '{tool_message}' };

const TEMPLATES = {
  qwen: {
    system_template: '<|im_start|>system\n{system_message}<|im_end|>\n',
    system_message: 'You are a helpful assistant.',
    system_prefix_token_ids: null,
    roles: { user: '<|im_start|>user', assistant: '<|im_start|>assistant', tool: '<|im_start|>tool' },
    role_templates: ROLE_TEMPLATES,
    role_content_sep: '\n',
    role_empty_sep: '\n',
    seps: ['<|im_end|>\n'],
  },
  llama: {
    system_template: '<|start_header_id|>system<|end_header_id|>\n\n{system_message}<|eot_id|>',
    system_message: 'You are a helpful, respectful and honest assistant.',
    system_prefix_token_ids: [128000],
    add_role_after_system_message: true,
    roles: { user: '<|start_header_id|>user', assistant: '<|start_header_id|>assistant' },
    role_templates: ROLE_TEMPLATES,
    role_content_sep: '<|end_header_id|>\n\n',
    role_empty_sep: '<|end_header_id|>\n\n',
    seps: ['<|eot_id|>'],
  },
  gemma: {
    system_template: '<bos>{system_message}',
    system_message: '',
    system_prefix_token_ids: [2],
    add_role_after_system_message: true,
    roles: { user: '<start_of_turn>user', assistant: '<start_of_turn>model' },
    role_templates: ROLE_TEMPLATES,
    role_content_sep: '\n',
    role_empty_sep: '\n',
    seps: ['<end_of_turn>\n'],
  },
  deepseek: {
    system_template: '<｜begin▁of▁sentence｜>{system_message}',
    system_message: 'You are a helpful assistant.',
    roles: { user: '<｜User｜>', assistant: '<｜Assistant｜>' },
    role_content_sep: '',
    role_empty_sep: '',
    seps: ['', '<｜end▁of▁sentence｜>'],
  },
  phi: {
    system_template: '<|system|>\n{system_message}',
    system_message: 'You are a helpful digital assistant.',
    system_prefix_token_ids: [1],
    roles: { user: '<|user|>', assistant: '<|assistant|>' },
    role_templates: ROLE_TEMPLATES,
    role_content_sep: '\n',
    role_empty_sep: '\n',
    seps: ['<|end|>\n'],
  },
  /** Of none: what the others leave out. */
  bare: {
    system_template: '{system_message}',
    system_message: '',
    render_empty_system_message: false,
    roles: { user: 'USER', assistant: 'ASSISTANT' },
    role_templates: { user: '{function_string}{user_message}' },
    seps: [' ', '</s>'],
  },
};

const MISTRAL = {
  ...TEMPLATES.phi,
  system_template: '[INST] {system_message}',
  add_role_after_system_message: false,
  roles: { user: '[INST]', assistant: '[/INST]', tool: '[INST]' },
  role_content_sep: ' ',
  role_empty_sep: '',
  seps: [' '],
};

const BYTES = { type: 'ByteLevel', add_prefix_space: false };
const SPLIT_BYTES = { type: 'Sequence', pretokenizers: [{ type: 'Split' }, BYTES] };

const TOKENIZERS = {
  qwen: {
    added_tokens: [mark(151643, '<|endoftext|>'), mark(151644, '<|im_start|>'), mark(151645, '<|im_end|>')],
    normalizer: { type: 'NFC' },
    pre_tokenizer: SPLIT_BYTES,
    decoder: BYTES,
  },
  llama: {
    added_tokens: [mark(128000, '<|begin_of_text|>'), mark(128006, '<|start_header_id|>'), mark(128009, '<|eot_id|>')],
    normalizer: null,
    pre_tokenizer: SPLIT_BYTES,
    decoder: { ...BYTES, add_prefix_space: true },
  },
  gemma: {
    added_tokens: [mark(2, '<bos>'), mark(106, '<start_of_turn>'), mark(107, '<end_of_turn>')],
    normalizer: { type: 'Replace' },
    pre_tokenizer: { type: 'Split' },
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace' }, { type: 'ByteFallback' }, { type: 'Fuse' }] },
  },
  /** Made from SentencePiece: a blank is put in front of a text, and the first one is taken away again. */
  phi: {
    added_tokens: [mark(1, '<s>'), mark(32010, '<|user|>'), mark(32001, '<|assistant|>'), mark(32007, '<|end|>')],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend' }, { type: 'Replace' }] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'Replace' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip' }],
    },
  },
};

const QUESTION: ConversationMessage[] = [{ role: 'user', content: 'Hello' }];

describe('conversations of MLC models', () => {
  it.each(Object.entries(TEMPLATES))('EN118: %s is written piece by piece as WebLLM writes it', async (_, template) => {
    await fc.assert(
      fc.asyncProperty(conversations(), async (messages) => {
        const pieces = conversationPieces(ConversationTemplate.parse(template), messages);
        expect(pieces).toEqual(await piecesOfWebllm(template, messages));
      }),
      { numRuns: 50 },
    );
  });

  it('EN119: a conversation that WebLLM refuses for its order is refused when it is written out too', async () => {
    const [question] = QUESTION;
    const system: ConversationMessage = { role: 'system', content: 'Be brief.' };
    for (const messages of [[], [system], [...QUESTION, system, ...QUESTION], [{ ...question, role: 'assistant' }]]) {
      const order = messages as ConversationMessage[];
      const write = () => conversationPieces(ConversationTemplate.parse(TEMPLATES.qwen), order);
      expect(write).toThrow(expect.objectContaining({ code: 'invalid_request' }));
      await expect(piecesOfWebllm(TEMPLATES.qwen, order)).rejects.toThrow();
    }
  });
});

describe('prompts of MLC models', () => {
  it('EN120: a prompt begins with the text of the tokens that a chat begins with', () => {
    const [llama, qwen] = [prompts(TEMPLATES.llama, TOKENIZERS.llama), prompts(TEMPLATES.qwen, TOKENIZERS.qwen)];

    expect(llama?.write(QUESTION)).toBe(
      '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful, respectful and honest assistant.' +
        '<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    );
    expect(llama?.uncountedTokens).toBe(1);
    expect(qwen?.write(QUESTION)).toMatch(/^<\|im_start\|>system\n/);
    expect(qwen?.uncountedTokens).toBe(0);
    expect(prompts(TEMPLATES.gemma, TOKENIZERS.gemma)?.write(QUESTION)).toBe(
      '<bos><bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n',
    );
  });

  it("EN120: a field of the model's `conv_config` rules its template", () => {
    const config = { conv_template: TEMPLATES.qwen, conv_config: { system_message: 'Be brief.' } };
    expect(mlcPrompts(config, TOKENIZERS.qwen)?.write(QUESTION)).toContain('Be brief.');
  });

  const { qwen } = TOKENIZERS;
  it.each([
    ['a tokenizer that puts blanks in front', TEMPLATES.phi, TOKENIZERS.phi],
    ['bytes with a blank in front', TEMPLATES.qwen, { ...qwen, pre_tokenizer: { ...BYTES, add_prefix_space: true } }],
    ['a decoder that strips', TEMPLATES.qwen, { ...qwen, decoder: TOKENIZERS.phi.decoder }],
    ['no decoder', TEMPLATES.qwen, { ...qwen, decoder: null }],
    ['an unknown step', TEMPLATES.qwen, { ...qwen, normalizer: { type: 'Precompiled' } }],
    ['a message that is joined to the system’s', MISTRAL, TOKENIZERS.qwen],
    ['roles that are plain text', TEMPLATES.bare, qwen],
    ['a first token without a text', { ...TEMPLATES.qwen, system_prefix_token_ids: [7] }, qwen],
    ['a role that takes blanks before it', TEMPLATES.qwen, { ...qwen, added_tokens: marks(qwen, { lstrip: true }) }],
    ['a role that must stand alone', TEMPLATES.qwen, { ...qwen, added_tokens: marks(qwen, { single_word: true }) }],
    ['an answer’s header that takes blanks', TEMPLATES.deepseek, { ...qwen, added_tokens: headers({ rstrip: true }) }],
    ['no template', undefined, qwen],
    ['no tokenizer', TEMPLATES.qwen, undefined],
  ])('EN121: with %s no prompt can be written', (_, template, tokenizer) => {
    expect(prompts(template, tokenizer)).toBeUndefined();
  });

  it('EN121: the same roles and steps without those marks are fine', () => {
    expect(prompts(TEMPLATES.deepseek, { ...qwen, added_tokens: headers({}) })).toBeDefined();
  });
});

function prompts(template: unknown, tokenizer: unknown) {
  return mlcPrompts({ conv_template: template }, tokenizer);
}

function mark(id: number, content: string) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function marks({ added_tokens }: typeof TOKENIZERS.qwen, fields: object) {
  return added_tokens.map((one) => ({ ...one, ...fields }));
}

function headers(fields: object) {
  return [mark(1, '<｜User｜>'), { ...mark(2, '<｜Assistant｜>'), ...fields }];
}

function conversations(): fc.Arbitrary<ConversationMessage[]> {
  const content = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('$& costs $$5', '{function_string}{user_message}', 'a<|im_end|>b', '', ' \n'),
  );
  const system = content.map((text): ConversationMessage[] => [{ role: 'system', content: text }]);
  const rounds = fc.array(fc.tuple(content, content), { maxLength: 3 }).map((pairs) =>
    pairs.flatMap(([asked, answered]): ConversationMessage[] => [
      { role: 'user', content: asked },
      { role: 'assistant', content: answered },
    ]),
  );
  const last = content.map((text): ConversationMessage => ({ role: 'user', content: text }));
  return fc
    .tuple(fc.oneof(system, fc.constant([])), rounds, last)
    .map(([begin, middle, end]) => [...begin, ...middle, end]);
}

/** A part of WebLLM's `Conversation`. */
interface WebllmConversation {
  appendMessage(role: string, content: string, roleName: string | undefined): void;
  appendReplyHeader(role: 'assistant'): void;
  getPromptArray(): string[];
}

/** The part of WebLLM's pipeline that its engine calls before a chat is evaluated. */
async function piecesOfWebllm(template: object, messages: readonly ConversationMessage[]): Promise<string[]> {
  let conversation: WebllmConversation | undefined;
  let pieces: string[] = [];
  const pipeline = {
    getConversationObject: () => ({ messages: [], function_string: 'of another conversation' }),
    getFinishReason: () => undefined,
    resetChat() {},
    setConversation(next: WebllmConversation) {
      conversation = next;
    },
    prefillStep(content: string, role: string, roleName: string | undefined) {
      conversation?.appendMessage(role, content, roleName);
      conversation?.appendReplyHeader('assistant');
      pieces = conversation?.getPromptArray() ?? [];
    },
  };
  const prefill: unknown = Reflect.get(MLCEngine.prototype, 'prefill');
  if (typeof prefill !== 'function') throw new Error('This WebLLM prepares its prompts elsewhere.');
  await prefill.call(new MLCEngine({ logLevel: 'SILENT' }), { messages }, pipeline, { conv_template: template }, {});
  return pieces;
}
