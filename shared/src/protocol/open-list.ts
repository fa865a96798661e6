/**
 * Lists that grow. A newer peer may name what this version doesn't know; that costs it the one name, never the record or
 * the message that the name stands in. Wrong JSON types and missing bounds are refused as everywhere.
 */
import { z } from 'zod/mini';
import { MAX_NAME_CHARS } from '../limits.ts';

const name = z.string().check(z.minLength(1), z.maxLength(MAX_NAME_CHARS));

/** One of `known`; every other name reads as `general`, which all code has an answer to. */
export function openName<const Known extends string, const General extends string>(
  known: readonly Known[],
  general: General,
) {
  const names: ReadonlySet<string> = new Set(known);
  return z.pipe(
    name,
    z.transform((said): Known | General => (names.has(said) ? (said as Known) : general)),
  );
}

/** Its entries are not looked at: ten thousand of them cost no more than their JSON did. */
export const anyList = z.custom<readonly unknown[]>(Array.isArray, 'no list');

/** What of the first `most` entries can be read, in their order; the others are skipped unread. */
export function openList<Item extends z.ZodMiniType>(item: Item, most: number) {
  return z.pipe(
    anyList,
    z.transform((entries) => readable(item, entries.slice(0, most))),
  );
}

function readable<Item extends z.ZodMiniType>(item: Item, entries: readonly unknown[]): z.infer<Item>[] {
  return entries.flatMap((entry) => {
    const { success, data } = item.safeParse(entry);
    return success ? [data as z.infer<Item>] : [];
  });
}
