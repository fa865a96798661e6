/**
 * Markdown as a list of blocks, each with its HTML. An answer grows at its end, so all blocks but the last stay the very
 * objects they were and the page redraws only that one.
 */
import { Marked, type Token, type Tokens } from 'marked';

export interface MarkdownBlock {
  readonly html: string;
  /** A block that nothing follows may still grow. */
  readonly last: boolean;
}

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

/** Remembers the blocks of its previous call: one renderer for each message. */
export function createBlockRenderer(sanitize: (html: string) => string): (markdown: string) => MarkdownBlock[] {
  let known = new Map<string, MarkdownBlock>();
  return (markdown) => {
    const tokens = marked.lexer(markdown).filter((token) => token.type !== 'space');
    const nested = nestedHeadings(tokens);
    const blocks = new Map<string, MarkdownBlock>();
    const list = tokens.map((original, index) => {
      const token = nested.get(original) ?? original;
      const last = index === tokens.length - 1;
      const key = `${last} ${token.type === 'heading' ? token.depth : ''} ${token.raw}`;
      const block = known.get(key) ?? {
        html: sanitize(marked.parser([token])),
        last,
      };
      blocks.set(key, block);
      return block;
    });
    known = blocks;
    return list;
  };
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
