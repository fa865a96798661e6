/**
 * Markdown as a list of blocks, each with its HTML. An answer grows at its end, so all blocks but the last stay the very
 * objects they were and the page redraws only that one. A long text comes section by section, as many as are asked for.
 */
import { Marked, type Token, type Tokens } from 'marked';
import { lexBounded } from './bounded-lexer.ts';
import { SectionReader } from './markdown-sections.ts';

export interface MarkdownBlock {
  readonly html: string;
  /** A block that nothing follows may still grow. */
  readonly last: boolean;
}

export interface RenderedMarkdown {
  readonly blocks: readonly MarkdownBlock[];
  /** There are more sections than were asked for. */
  readonly more: boolean;
}

/** A browser takes seconds to lay out more; the longest answers that models give are a tenth of it. */
const MAX_SHOWN_CHARS = 512 * 1024;
/** Each is an element of the page. */
const MAX_SHOWN_BLOCKS = 3000;
const NOT_SHOWN = 'The rest of this message is too long to be shown. Copy takes all of it.';
/** The page's own headings end at level 2; an answer's begin below. */
const FIRST_HEADING = 3;
const LAST_HEADING = 6;

const marked = new Marked({
  gfm: true,
  renderer: {
    // What looks like HTML is shown as text: models write it about code, and it must never take part in the page.
    html({ text }) {
      return escapeHtml(text);
    },
    link({ href, title, tokens }) {
      const label = this.parser.parseInline(tokens);
      if (!/^(https?:|mailto:)/i.test(href)) return label;
      const titled = title ? ` title="${escapeHtml(title)}"` : '';
      return `<a href="${escapeHtml(href)}"${titled} target="_blank" rel="noopener noreferrer">${label}</a>`;
    },
    // A remote image would tell its server that somebody reads this answer.
    image({ href, text }) {
      const label = escapeHtml(text === '' ? href : text);
      if (!/^https?:/i.test(href)) return label;
      return `<a href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer">Image: ${label}</a>`;
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ ';
    },
    table(token) {
      const cells = (row: readonly Tokens.TableCell[]) => row.map((cell) => this.tablecell(cell)).join('');
      const head = `<tr>${cells(token.header)}</tr>`;
      const body = token.rows.map((row) => `<tr>${cells(row)}</tr>`).join('');
      return `<div class="table"><table><thead>${head}</thead><tbody>${body}</tbody></table></div>`;
    },
    code({ text, lang }) {
      const language = /^[\w+#.-]{1,24}/.exec(lang ?? '')?.[0] ?? '';
      const label = language === '' ? 'text' : escapeHtml(language);
      return (
        `<div class="code"><div class="code-head"><span>${label}</span>` +
        '<button type="button" data-copy="code">Copy</button></div>' +
        `<pre tabindex="0"><code data-language="${escapeHtml(language)}">${escapeHtml(text)}</code></pre></div>`
      );
    },
  },
});

/**
 * Remembers the blocks of its previous call: one renderer for each message. No text makes it throw; one that can't be
 * rendered is shown as it was written.
 */
export function createBlockRenderer(
  sanitize: (html: string) => string,
): (markdown: string, mostSections?: number) => RenderedMarkdown {
  let known = new Map<string, MarkdownBlock>();
  const reader = new SectionReader();
  let read = new Map<string, Token[]>();
  return (markdown, mostSections = Number.POSITIVE_INFINITY) => {
    const { sections, more: isMoreRead } = reader.read(markdown.slice(0, MAX_SHOWN_CHARS), mostSections);
    const before = read;
    read = new Map();
    const tokens: Token[] = [];
    for (const section of sections) {
      if (tokens.length >= MAX_SHOWN_BLOCKS) break;
      const ofSection = before.get(section) ?? tokensOf(section);
      read.set(section, ofSection);
      tokens.push(...ofSection);
    }
    const isFull = tokens.length >= MAX_SHOWN_BLOCKS;
    const more = !isFull && isMoreRead;
    if (isFull || (!more && markdown.length > MAX_SHOWN_CHARS)) tokens.push(asWritten(NOT_SHOWN));
    const nested = nestedHeadings(tokens);
    const blocks = new Map<string, MarkdownBlock>();
    const list = tokens.map((original, index) => {
      const token = nested.get(original) ?? original;
      const last = index === tokens.length - 1;
      const key = `${last} ${token.type === 'heading' ? token.depth : ''} ${token.raw}`;
      const block = blocks.get(key) ??
        known.get(key) ?? {
          html: sanitize(htmlOf(token)),
          last,
        };
      blocks.set(key, block);
      return block;
    });
    known = blocks;
    return { blocks: list, more };
  };
}

function tokensOf(section: string): Token[] {
  try {
    return lexBounded(section, marked.defaults).filter((token) => token.type !== 'space');
  } catch {
    return [asWritten(section)];
  }
}

function htmlOf(token: Token): string {
  try {
    return marked.parser([token]);
  } catch {
    return `<p class="plain">${escapeHtml(token.raw)}</p>`;
  }
}

function asWritten(text: string): Token {
  return { type: 'paragraph', raw: text, text, tokens: [{ type: 'text', raw: text, text, escaped: false }] };
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Headings at levels that fit below the page's own and skip none, however the model numbered them. */
function nestedHeadings(tokens: readonly Token[]): Map<Token, Token> {
  const headings = tokens.filter((token): token is Tokens.Heading => token.type === 'heading');
  const top = Math.min(...headings.map(({ depth }) => depth));
  let previous = FIRST_HEADING - 1;
  const nested = new Map<Token, Token>();
  for (const heading of headings) {
    previous = Math.min(FIRST_HEADING + heading.depth - top, previous + 1, LAST_HEADING);
    nested.set(heading, { ...heading, depth: previous });
  }
  return nested;
}
