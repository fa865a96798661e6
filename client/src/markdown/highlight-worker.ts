/** Colours for code, away from the page's thread: 32 KB of one letter take some languages 7 s. */
import highlighter from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const languages = {
  bash,
  cpp,
  css,
  diff,
  go,
  java,
  javascript,
  json,
  python,
  rust,
  sql,
  typescript,
  xml,
  yaml,
};
for (const [name, language] of Object.entries(languages)) highlighter.registerLanguage(name, language);

export interface CodeToColour {
  readonly code: string;
  readonly language: string;
}

/** HTML made of escaped text and spans; undefined for a language that is not known. */
export type ColouredCode = string | undefined;

addEventListener('message', ({ data }: MessageEvent<CodeToColour>) => {
  const html: ColouredCode =
    highlighter.getLanguage(data.language) === undefined
      ? undefined
      : highlighter.highlight(data.code, { language: data.language, ignoreIllegals: true }).value;
  postMessage(html);
});
