import { describe, expect, it } from 'vitest';
import { createBlockRenderer, type RenderedMarkdown } from '../src/markdown/markdown-blocks.ts';
import { piecesOf, SectionReader } from '../src/markdown/markdown-sections.ts';

/** Without the sanitiser, which needs a DOM: what is safe here is safe twice in the page. */
const blocksOf = (markdown: string) => createBlockRenderer((text) => text)(markdown).blocks.map((block) => block.html);
const html = (markdown: string) => blocksOf(markdown).join('');

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
    const before = render('First.\n\nSecond.\n\nThi').blocks;
    const after = render('First.\n\nSecond.\n\nThird').blocks;
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]?.html).toBe('<p>Third</p>\n');
  });

  /** As a page shows it: one more section with each frame. */
  function framesOf(markdown: string) {
    const render = createBlockRenderer((text) => text);
    const frames: RenderedMarkdown[] = [];
    for (let sections = 1; frames.at(-1)?.more ?? true; sections += 1) frames.push(render(markdown, sections));
    return frames;
  }
  const textOf = (shown: string) => shown.replaceAll(/<[^>]+>/g, '');

  it('UI60: no text makes it throw, however deep its quotes, lists and emphasis', () => {
    for (const hostile of ['> '.repeat(2000), '>'.repeat(30_000), '1. '.repeat(5000), '- '.repeat(5000)]) {
      expect(() => html(`${hostile}deep`)).not.toThrow();
      expect(textOf(html(`${hostile}deep`))).toContain('deep');
    }
    const stars = '*'.repeat(3000);
    expect(textOf(html(`${stars}word${stars}`))).toContain('word');
    expect(textOf(html(`${'*_'.repeat(3000)}word${'_*'.repeat(3000)}`))).toContain('word');
  });

  it('UI61: a long text comes section by section, of bounded size, and reads as the whole', () => {
    const paragraph = `${'Some **bold** words. '.repeat(20)}\n\n`;
    const list = '- one\n- two\n\n  more of two\n\n';
    const markdown = (paragraph + list).repeat(100);
    const frames = framesOf(markdown);
    expect(frames.length).toBeGreaterThan(3);
    const counts = frames.map(({ blocks }) => blocks.length);
    expect(Math.max(...counts.map((count, index) => count - (counts[index - 1] ?? 0)))).toBeLessThan(100);
    const shown = frames.at(-1)?.blocks ?? [];
    expect(shown.map((block) => block.html)).toEqual(blocksOf(markdown));
    expect(textOf(shown.map((block) => block.html).join('')).match(/Some bold words/g)).toHaveLength(2000);
    for (const [index, block] of (frames[0]?.blocks ?? []).slice(0, -1).entries()) expect(shown[index]).toBe(block);
  });

  it('UI61: whatever it is made of, a section has at most 32 KB and 1,000 lines, and no character is lost', () => {
    for (const unit of ['a_', '\n', 'a\n=\n', '| a | b |\n', 'word ', '<div>\n', '- a\n\n', '🧭', '```\na\n\n']) {
      const markdown = unit.repeat(100_000 / unit.length);
      const { sections } = new SectionReader().read(markdown, 1000);
      for (const section of sections) {
        expect(section.length).toBeLessThanOrEqual(33 * 1024);
        expect(section.split('\n').length).toBeLessThanOrEqual(1002);
        expect(() => encodeURIComponent(section)).not.toThrow();
      }
      if (!unit.startsWith('```')) expect(sections.join('')).toBe(markdown);
    }
  });

  it('UI61: a growing text has the sections that it has at once, and keeps all but the last', () => {
    const markdown =
      `A paragraph of words.\n\n\`\`\`ts\nconst a = 1;\n\n\`\`\`\n\n1. one\n\n   two\n\n${'x'.repeat(999)}`.repeat(40);
    const whole = new SectionReader().read(markdown, 1000).sections;
    const reader = new SectionReader();
    for (let length = 777; length < markdown.length; length += 777) {
      const { sections } = reader.read(markdown.slice(0, length), 1000);
      expect(whole.slice(0, sections.length - 1)).toEqual(sections.slice(0, -1));
    }
    expect(reader.read(markdown, 1000).sections).toEqual(whole);
    expect(reader.read(markdown, 2)).toEqual({ sections: whole.slice(0, 2), more: true });
  });

  it('UI61: code that is longer than a section goes on as code', () => {
    const shown = html(`\`\`\`ts\n${'const a = "**b**";\n'.repeat(3000)}\`\`\`\n\n**bold**`);
    expect(shown).not.toMatch(/<strong>(?!bold)/);
    expect(shown).toContain('<strong>bold');
    expect(shown.match(/const a/g)).toHaveLength(3000);
  });

  it('UI62: of a message beyond all measure the beginning is shown, and a sentence says so', () => {
    for (const unit of ['a\n\n', 'a '.repeat(50_000), '# a\n']) {
      const blocks = framesOf(unit.repeat(2_000_000 / unit.length)).at(-1)?.blocks ?? [];
      expect(blocks.length).toBeLessThan(5000);
      expect(blocks.at(-1)?.html).toContain('too long to be shown');
    }
  });

  it('UI63: emphasis is looked for in pieces of a paragraph, so that a long one takes no longer than its length', () => {
    const sentence = 'Some *words* here. ';
    expect(html(sentence.repeat(2000)).match(/<em>words/g)?.length).toBeGreaterThan(1980);
    const pieces = [...piecesOf('a_'.repeat(10_000), 4096)];
    expect(pieces.join('')).toBe('a_'.repeat(10_000));
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(4096);
  });
});
