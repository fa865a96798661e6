/** The second fence around what models write: only the elements and attributes that `markdown-blocks.ts` makes. */
import DOMPurify from 'dompurify';

const ALLOWED_TAGS = [
  ...['p', 'br', 'hr', 'strong', 'em', 'del', 'a', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'div', 'span'],
  ...['h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'button'],
];
const ALLOWED_ATTR = [
  ...['href', 'title', 'target', 'rel', 'class', 'type', 'align', 'start', 'tabindex', 'data-copy', 'data-language'],
];

export function sanitize(html: string): string {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ALLOW_DATA_ATTR: false,
  });
}
