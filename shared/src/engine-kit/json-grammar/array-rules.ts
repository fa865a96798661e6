/** Lists and tuples as rules. A tuple is written whole, unless its schema lets it be shorter or go on. */
import type { Case } from './cases.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import type { Part } from './rules.ts';
import { inside, isObject } from './schema-reader.ts';

export function arrayAlternatives(writer: GrammarWriter, schemas: Case, path: string): readonly (readonly Part[])[] {
  const leading = schemas.map(({ prefixItems }) => (Array.isArray(prefixItems) ? prefixItems : []));
  const others = schemas.map(({ items, unevaluatedItems }) => items ?? unevaluatedItems);
  const tuple = Math.max(0, ...leading.map(({ length }) => length));
  const goesOn = tuple === 0 || others.some((items) => items !== undefined);
  const needed = schemas.map(({ contains, minContains = 1 }) => (contains === undefined ? 0 : Number(minContains)));
  const least = Math.ceil(Math.max(0, ...needed, ...numbersOf(schemas, 'minItems')));
  const most = Math.floor(
    Math.min(
      ...numbersOf(schemas, 'maxItems'),
      goesOn || least > tuple ? Number.POSITIVE_INFINITY : tuple,
      ...others.map((items, index) => (items === false ? (leading[index]?.length ?? 0) : Number.POSITIVE_INFINITY)),
      ...schemas.map(mostUnique),
    ),
  );
  const itemsAt = (index: number) =>
    leading.map((items, at) => (index < items.length ? items[index] : (others[at] ?? true)));
  const shortest = schemas.some(({ minItems }) => minItems !== undefined) ? least : Math.min(tuple, most);
  if (least > most) {
    writer.note(path, 'asks for more items than it allows');
    return [];
  }

  /** Behind so many items. */
  const from = (count: number): Part => {
    if (count === most) return '"]"';
    const comma = count === 0 ? '' : '"," space';
    const close: readonly Part[][] = count >= Math.max(least, shortest) ? [['"]"']] : [];
    if (count < tuple) {
      const item = writer.value(itemsAt(count), `${inside(path, 'prefixItems')}[${count}]`);
      return writer.rules.of([...(comma === '' ? [] : [comma]), item, 'space', from(count + 1)], ...close);
    }
    const item = writer.value(itemsAt(count), inside(path, 'items'));
    const more = (already: number) =>
      writer.repetition(Math.max(0, least - count - already), most - count - already, path);
    if (count > 0) return writer.rules.of(['("," space', item, `space)${more(0)} "]"`]);
    return writer.rules.of([item, 'space ("," space', item, `space)${more(1)} "]"`], ...close);
  };
  return [['"[" space', from(0)]];
}

/** Of a few values there are no more different ones. */
function mostUnique({ uniqueItems, items }: Case[number]): number {
  if (uniqueItems !== true || !isObject(items)) return Number.POSITIVE_INFINITY;
  if (Array.isArray(items.enum)) return items.enum.length;
  return items.type === 'boolean' ? 2 : Number.POSITIVE_INFINITY;
}

function numbersOf(schemas: Case, keyword: string): readonly number[] {
  return schemas.map((schema) => schema[keyword]).filter((value) => typeof value === 'number');
}
