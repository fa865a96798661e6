/**
 * Stacks of the compiled command, told by the lines of its TypeScript. Done when there is a stack to tell: with Node's own
 * `--enable-source-maps` every start reads all maps, which takes twice as long and 30 MB more.
 */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PLACE = /(file:\/\/[^\s()]+\.js):(\d+):(\d+)/g;

/** Changes the stack of the error, and of its causes, in place. */
export function showSourceLines(error: unknown): void {
  const maps = new Map<string, SourceMap | undefined>();
  const seen = new Set<unknown>();
  for (let one = error; one instanceof Error && !seen.has(one); one = one.cause) {
    seen.add(one);
    if (typeof one.stack === 'string') {
      one.stack = one.stack.replace(PLACE, (place, url: string, line: string, column: string) => {
        if (!maps.has(url)) maps.set(url, mapOf(url));
        return sourceOf(maps.get(url), url, Number(line), Number(column)) ?? place;
      });
    }
  }
}

function sourceOf(map: SourceMap | undefined, url: string, line: number, column: number): string | undefined {
  const found = map?.findEntry(line - 1, column - 1);
  if (found === undefined || !('originalSource' in found)) return undefined;
  const source = fileURLToPath(new URL(found.originalSource, url));
  return `${pathToFileURL(source).href}:${found.originalLine + 1}:${found.originalColumn + 1}`;
}

/** Undefined: it is no compiled file, or its map is gone. */
function mapOf(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8')));
  } catch {
    return undefined;
  }
}
