/**
 * The names of a GGUF model in several files, as llama.cpp's gguf-split writes them and its loader wants them:
 * `Large-Q8_0-00001-of-00003.gguf`. Who has the name of one part knows the names of all, in a folder as at an address.
 */
import { MAX_GGUF_PARTS } from '../limits.ts';

export interface GgufPart {
  /** What stands before the number, with the folder if there is one: `Large-Q8_0`. */
  readonly stem: string;
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** Undefined for a whole file, and for numbers that no part can have. */
export function ggufPartOf(name: string): GgufPart | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i.exec(name);
  if (match?.[1] === undefined) return undefined;
  const [index, count] = [Number(match[2]), Number(match[3])];
  return index >= 1 && index <= count && count <= MAX_GGUF_PARTS ? { stem: match[1], index, count } : undefined;
}

export function ggufPartName({ stem, index, count }: GgufPart): string {
  return `${stem}-${fiveDigits(index)}-of-${fiveDigits(count)}.gguf`;
}

/** Of all parts, in order, from the name or path of any; of a whole file its own. */
export function ggufPartNames(name: string): readonly string[] {
  const part = ggufPartOf(name);
  if (part === undefined) return [name];
  // An ending in capitals is kept: that is what the other files are called.
  const ending = name.slice(-'.gguf'.length);
  return Array.from({ length: part.count }, (_, at) =>
    ggufPartName({ ...part, index: at + 1 }).replace(/\.gguf$/, ending),
  );
}

/** Of all parts, in order, from the address of any; a query (`?download=true`) goes along. */
export function ggufPartUrls(url: string): readonly string[] {
  const [, path = url, rest = ''] = /^([^?#]*)(.*)$/s.exec(url) ?? [];
  return ggufPartNames(path).map((name) => name + rest);
}

/** `Large-00002-of-00005.gguf, Large-00003-of-00005.gguf and 2 more`. */
export function listParts(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  if (names.length <= 1) return last;
  if (names.length <= MOST_NAMED) return `${names.slice(0, -1).join(', ')} and ${last}`;
  return `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`;
}

/** What a sentence bears. */
const MOST_NAMED = 3;

function fiveDigits(value: number): string {
  return String(value).padStart(5, '0');
}
