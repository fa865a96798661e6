import { describe, expect, it } from 'vitest';
import { createBlockRenderer } from '../src/markdown/markdown-blocks.ts';

/** Without the sanitiser, which needs a DOM: what is safe here is safe twice in the page. */
const html = (markdown: string) =>
  createBlockRenderer((text) => text)(markdown)
    .map((block) => block.html)
    .join('');

describe('markdown', () => {
  it('UI33: HTML in an answer is shown as text', () => {
    expect(html('<img src=x onerror=alert(1)> and <b>bold</b>')).not.toMatch(/<img|<b>/);
    expect(html('<script>alert(1)</script>')).toContain('&lt;script&gt;');
  });

  it('UI34: links open outside, without an opener, and only to the web', () => {
    expect(html('[a](https://example.org "t")')).toContain(
      '<a href="https://example.org" title="t" target="_blank" rel="noopener noreferrer">a</a>',
    );
    expect(html('[a](javascript:alert(1)) [b](data:text/html,x) [c](/settings)')).not.toContain('<a');
  });

  it('UI35: images are not fetched: they become links', () => {
    const shown = html('![a cat](https://example.org/cat.png)');
    expect(shown).not.toContain('<img');
    expect(shown).toContain('Image: a cat');
  });

  it('UI36: code keeps its text and names its language', () => {
    const shown = html('```ts\nconst a = "<b>";\n```');
    expect(shown).toContain('<span>ts</span>');
    expect(shown).toContain('data-language="ts">const a = &quot;&lt;b&gt;&quot;;</code>');
  });

  it('UI36: a language that is none can not break out of its attribute', () => {
    expect(html('```"><img/onerror=x\ncode\n```')).not.toContain('<img');
  });

  it('UI37: headings go below those of the page and skip no level', () => {
    expect(html('# a\n\n### b\n\n# c').match(/<h\d/g)).toEqual(['<h3', '<h4', '<h3']);
    expect(html('#### only').match(/<h\d/g)).toEqual(['<h3']);
  });

  it('UI38: while an answer grows, finished blocks stay the same objects', () => {
    const render = createBlockRenderer((text) => text);
    const before = render('First.\n\nSecond.\n\nThi');
    const after = render('First.\n\nSecond.\n\nThird');
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]?.html).toBe('<p>Third</p>\n');
  });
});
