/** Numbers between bounds as rules of a grammar: digit by digit, because a grammar can't compare. */

export interface NumberBounds {
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly exclusiveMinimum: number | undefined;
  readonly exclusiveMaximum: number | undefined;
}

/** What every reader takes for the same number: integers of 15 digits, fractions of 9 and 6. */
const LARGEST_INTEGER = 999_999_999_999_999;
const LARGEST_BEFORE_POINT = 999_999_999;
const FRACTION = '"." [0-9]{1,6}';

/** Undefined when there is no such integer. */
export function integerRule(bounds: NumberBounds): string | undefined {
  return signed(integersWithin(bounds, LARGEST_INTEGER), '');
}

/** Integers, and fractions between two integers that are both within the bounds. Undefined when there are none. */
export function numberRule(bounds: NumberBounds): string | undefined {
  const { least, most } = integersWithin(bounds, LARGEST_BEFORE_POINT);
  const options = [
    integerRule(bounds),
    signed({ least: Math.max(0, least), most: most - 1 }, FRACTION),
    signed({ least: least + 1, most: Math.min(-1, most) }, FRACTION),
    // Between -1 and 0.
    least < 0 && most >= 0 ? `"-0" ${FRACTION}` : undefined,
  ].filter((option) => option !== undefined);
  return options.length === 0 ? undefined : options.join(' | ');
}

interface Range {
  readonly least: number;
  readonly most: number;
}

function integersWithin(bounds: NumberBounds, largest: number): Range {
  const { minimum = -largest, maximum = largest, exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = bounds;
  return {
    least: Math.max(-largest, Math.ceil(minimum), Math.floor(exclusiveMinimum) + 1),
    most: Math.min(largest, Math.floor(maximum), Math.ceil(exclusiveMaximum) - 1),
  };
}

function signed({ least, most }: Range, ending: string): string | undefined {
  if (!(least <= most)) return undefined;
  const options: string[] = [];
  if (least < 0) options.push(`"-" (${magnitudes(Math.max(1, -most), -least)}) ${ending}`);
  if (most >= 0) options.push(`(${magnitudes(Math.max(0, least), most)}) ${ending}`);
  return options.join(' | ');
}

/** Without leading zeros: one range of equally long numbers after the other. */
function magnitudes(least: number, most: number): string {
  const options: string[] = [];
  for (let length = String(least).length; length <= String(most).length; length += 1) {
    const first = length === 1 ? 0 : 10 ** (length - 1);
    options.push(digits(String(Math.max(least, first)), String(Math.min(most, 10 ** length - 1))));
  }
  return options.join(' | ');
}

/** Two numbers of one length. */
function digits(least: string, most: string): string {
  const [low = '', high = ''] = [least.charAt(0), most.charAt(0)];
  const [lowRest, highRest] = [least.slice(1), most.slice(1)];
  if (lowRest === '') return `[${low}-${high}]`;
  if (low === high) return `"${low}" (${digits(lowRest, highRest)})`;
  const zeros = '0'.repeat(lowRest.length);
  const nines = '9'.repeat(lowRest.length);
  const [from, to] = [
    lowRest === zeros ? Number(low) : Number(low) + 1,
    highRest === nines ? Number(high) : Number(high) - 1,
  ];
  const options: string[] = [];
  if (from > Number(low)) options.push(`"${low}" (${digits(lowRest, nines)})`);
  if (from <= to) options.push(`[${from}-${to}] [0-9]{${lowRest.length}}`);
  if (to < Number(high)) options.push(`"${high}" (${digits(zeros, highRest)})`);
  return options.join(' | ');
}
