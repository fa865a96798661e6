/** How a pattern is empty, and how it is not: what a loop repeats must never be empty, and a `^` holds only behind nothing. */
import { NOTHING, type Pattern, sequence } from './pattern.ts';

const EMPTY: Pattern = sequence([]);

/** What of a pattern matches one character at least. */
export function notEmpty(pattern: Pattern): Pattern {
  switch (pattern.type) {
    case 'set':
      return pattern;
    case 'choice':
      return choice(pattern.options.map(notEmpty));
    case 'sequence':
      if (pattern.parts.some(({ type }) => type === 'set')) return pattern;
      return choice(
        pattern.parts.map((part, index) =>
          sequence([
            ...pattern.parts.slice(0, index).map(onlyEmpty),
            notEmpty(part),
            ...pattern.parts.slice(index + 1),
          ]),
        ),
      );
    case 'repeat': {
      const { body, least, most } = pattern;
      if (most === 0) return NOTHING;
      const filled = notEmpty(body);
      if (filled === body) return least > 0 ? pattern : { ...pattern, least: 1 };
      return sequence([filled, { type: 'repeat', body: filled, least: 0, most: most - 1 }]);
    }
    default:
      return NOTHING;
  }
}

/** What of a pattern matches no character, on what conditions. */
function onlyEmpty(pattern: Pattern): Pattern {
  switch (pattern.type) {
    case 'set':
      return NOTHING;
    case 'choice':
      return choice(pattern.options.map(onlyEmpty));
    case 'sequence':
      return sequence(pattern.parts.map(onlyEmpty));
    case 'repeat':
      return pattern.least === 0 ? EMPTY : onlyEmpty(pattern.body);
    default:
      return pattern;
  }
}

/** The pattern without any `^`, read at the beginning of the text or behind it. */
export function withoutStart(pattern: Pattern, atStart: boolean): Pattern {
  if (!hasStart(pattern)) return pattern;
  switch (pattern.type) {
    case 'start':
      return atStart ? EMPTY : NOTHING;
    case 'look':
      return { ...pattern, body: withoutStart(pattern.body, atStart) };
    case 'choice':
      return choice(pattern.options.map((option) => withoutStart(option, atStart)));
    case 'sequence': {
      const [first = EMPTY, ...rest] = pattern.parts;
      const others = sequence(rest);
      if (!atStart || !hasStart(others)) return sequence([withoutStart(first, atStart), withoutStart(others, false)]);
      return choice([
        sequence([withoutStart(notEmpty(first), true), withoutStart(others, false)]),
        sequence([withoutStart(onlyEmpty(first), true), withoutStart(others, true)]),
      ]);
    }
    case 'repeat': {
      const { body, least, most } = pattern;
      const behind: Pattern = {
        type: 'repeat',
        body: withoutStart(body, false),
        least: Math.max(0, least - 1),
        most: most - 1,
      };
      const once = sequence([withoutStart(body, atStart), behind]);
      return least === 0 ? choice([EMPTY, once]) : once;
    }
    default:
      return pattern;
  }
}

function hasStart(pattern: Pattern): boolean {
  if (pattern.type === 'start') return true;
  if (pattern.type === 'sequence') return pattern.parts.some(hasStart);
  if (pattern.type === 'choice') return pattern.options.some(hasStart);
  return (pattern.type === 'repeat' || pattern.type === 'look') && hasStart(pattern.body);
}

function choice(options: readonly Pattern[]): Pattern {
  const possible = options.filter((option) => option !== NOTHING);
  const [only] = possible;
  return only !== undefined && possible.length === 1
    ? only
    : possible.length === 0
      ? NOTHING
      : { type: 'choice', options: possible };
}
