/**
 * The Markdown libraries, loaded with the first message that is shown: an empty page has no use for them.
 */
import type { RenderedMarkdown } from './markdown-blocks.ts';

type NewRenderer = () => (markdown: string, mostSections?: number) => RenderedMarkdown;

let newRenderer = $state.raw<NewRenderer | undefined>();
let asked = false;

/** Undefined until it is there; read in an effect or a template, it announces itself. */
export function markdownRenderers(): NewRenderer | undefined {
  if (!asked) {
    asked = true;
    // Without it the text stands there as it was written; whoever needs it next asks again.
    load().catch(() => {
      asked = false;
    });
  }
  return newRenderer;
}

async function load(): Promise<void> {
  const [{ createBlockRenderer }, { sanitize }] = await Promise.all([
    import('./markdown-blocks.ts'),
    import('./sanitize.ts'),
  ]);
  newRenderer = () => createBlockRenderer(sanitize);
}
