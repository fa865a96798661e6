/**
 * How people write a model's name. `qwen3-8b`, `qwen3:8b` and `Qwen/Qwen3-8B` are one name in the spelling of a hub, of Ollama
 * and of a hurry; a name that is close to a known one is no spelling of it, but worth a question.
 */
import { CATALOG, type CatalogModel, catalogModel } from '@tabmesh/shared';
import { distance } from 'fastest-levenshtein';
import { MOST_SUGGESTIONS } from '../limits.ts';

/** All that counts of a name where only its spelling may differ. */
export function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/**
 * The catalog's model of that name in any spelling. Its files are what people talk to, of 4 bits (Q4_K_M), so that the words
 * which say so may be missing.
 */
export function catalogNamed(text: string): CatalogModel | undefined {
  const wanted = essenceOf(text);
  return catalogModel(text) ?? CATALOG.find(({ id }) => essenceOf(id) === wanted);
}

function essenceOf(name: string): string {
  const last = name.split('/').at(-1) ?? '';
  const bare = last
    .replace(/:latest$/i, '')
    .replace(/[-:]Q4_K_M$/i, '')
    .replace(/-GGUF$/i, '')
    .replace(/^Meta-/i, '')
    .replace(/[-:]Instruct(?=-|$)/i, '');
  return lettersOf(bare);
}

/** Of `names` the ones that somebody may have meant, the closest first. */
export function suggestions(text: string, names: readonly string[]): readonly string[] {
  const wanted = lettersOf(text.split('/').at(-1) ?? '');
  const words = wordsOf(text);
  return names
    .map((name) => {
      const letters = lettersOf(name);
      const off = distance(wanted, letters);
      const has = (word: string) => letters.includes(word) || wordsOf(name).some((own) => isTypo(word, own));
      const hasAllWords = wanted.length >= LEAST_LETTERS && words.every(has);
      return { name, off, isNear: hasAllWords || off <= wanted.length / 4 };
    })
    .filter(({ isNear }) => isNear)
    .sort((a, b) => a.off - b.off)
    .slice(0, MOST_SUGGESTIONS)
    .map(({ name }) => name);
}

/** Two letters are in every other name. */
const LEAST_LETTERS = 3;

function wordsOf(name: string): readonly string[] {
  return name
    .toLowerCase()
    .split(/[^a-z0-9.]+/)
    .map(lettersOf)
    .filter((word) => word !== '');
}

/** `8b` is no typo of `4b`. */
function isTypo(word: string, own: string): boolean {
  return word.length > LEAST_LETTERS && distance(word, own) === 1;
}

/** ` Did you mean Qwen3-8B or Qwen3-4B?`; empty where nothing is close. */
export function didYouMean(text: string, names: readonly string[]): string {
  const close = suggestions(text, names);
  if (close.length === 0) return '';
  const last = close.at(-1) ?? '';
  const listed = close.length === 1 ? last : `${close.slice(0, -1).join(', ')} or ${last}`;
  return ` Did you mean ${listed}?`;
}
