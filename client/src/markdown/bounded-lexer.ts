/**
 * Marked's lexer with bounds, because strangers write answers: it takes time by the square of a paragraph (160,000 characters
 * of `a_`: 18 s) and runs out of its stack on deep nesting. What passes a bound is shown as it was written.
 */
import { Lexer, type MarkedOptions, type Token, type TokensList } from 'marked';
import { piecesOf } from './markdown-sections.ts';

/** Emphasis, links and code are looked for in pieces of this size: the worst takes 10 ms. Paragraphs are shorter. */
const MAX_INLINE_CHARS = 4096;
/** Lists and quotes within each other, emphasis within emphasis: more than anybody can read. */
const MAX_LEVELS = 16;

/** The blocks of a text, whatever it is. */
export function lexBounded(markdown: string, options: MarkedOptions): Token[] {
  // A lexer makes its tokenizer its own.
  return new BoundedLexer({ ...options, tokenizer: null }).lex(markdown);
}

class BoundedLexer extends Lexer {
  #blockLevel = 0;
  #inlineLevel = 0;

  override blockTokens(src: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[];
  override blockTokens(src: string, tokens?: TokensList, lastParagraphClipped?: boolean): TokensList;
  override blockTokens(src: string, tokens: Token[] = this.tokens, lastParagraphClipped?: boolean): Token[] {
    if (this.#blockLevel > MAX_LEVELS) {
      if (src !== '') tokens.push({ type: 'paragraph', raw: src, text: src, tokens: [asWritten(src)] });
      return tokens;
    }
    this.#blockLevel += 1;
    try {
      return super.blockTokens(src, tokens, lastParagraphClipped);
    } finally {
      this.#blockLevel -= 1;
    }
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    if (this.#inlineLevel > MAX_LEVELS) {
      tokens.push(asWritten(src));
      return tokens;
    }
    this.#inlineLevel += 1;
    try {
      for (const piece of piecesOf(src, MAX_INLINE_CHARS)) super.inlineTokens(piece, tokens);
      return tokens;
    } finally {
      this.#inlineLevel -= 1;
    }
  }
}

function asWritten(text: string): Token {
  return { type: 'text', raw: text, text, escaped: false };
}
