/** Numbers between bounds, and multiples, as languages: digit by digit, because a grammar can't compare. */
import { type CodePoints, DIGITS, rangeOf } from './code-points.ts';
import type { Language, Languages } from './languages.ts';

export interface NumberBounds {
  readonly least: readonly Bound[];
  readonly most: readonly Bound[];
  readonly multiplesOf: readonly number[];
}

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

/** Every reader takes so many digits for the same number. */
const MAX_DIGITS = 15;
const FRACTION_DIGITS = 6;
const POINT = rangeOf(0x2e, 0x2e);
const NOT_ZERO = rangeOf(0x31, 0x39);

export function numbersWithin(
  languages: Languages,
  type: 'integer' | 'number',
  { least, most, multiplesOf }: NumberBounds,
): Language {
  const fraction = type === 'integer' ? 0 : fractionDigits([...least, ...most], multiplesOf);
  const side = (atLeast: readonly Bound[], atMost: readonly Bound[]) =>
    languages.every(
      plain(languages, fraction),
      ...atLeast.map((bound) => above(languages, bound)),
      ...atMost.map((bound) => below(languages, bound)),
      ...multiplesOf.map((divisor) => multiples(languages, divisor, fraction)),
    );
  const turned = (bounds: readonly Bound[]) => bounds.map(({ value, exclusive }) => ({ value: -value, exclusive }));
  const zero = { value: 0, exclusive: true };
  return languages.some(side(least, most), languages.text('-', side([...turned(most), zero], turned(least))));
}

/** Digits without leading zeros, and so many behind the point at most. */
function plain(languages: Languages, fraction: number): Language {
  const { end } = languages;
  const tail =
    fraction === 0 ? end : languages.some(end, languages.step(POINT, languages.times(DIGITS, 1, fraction, end)));
  const before = MAX_DIGITS - fraction;
  return languages.some(
    languages.text('0', tail),
    languages.step(NOT_ZERO, languages.times(DIGITS, 0, before - 1, tail)),
  );
}

function above(languages: Languages, { value, exclusive }: Bound): Language {
  const { all } = languages;
  if (value < 0) return all;
  const [whole, fraction] = decimal(value);
  const longer = languages.times(DIGITS, whole.length + 1, whole.length + 1, all);
  const anyMore = zerosThen(languages, languages.step(NOT_ZERO, all));
  const end = exclusive ? anyMore : all;
  const behindPoint = Array.from(fraction).reduceRight(
    (rest, digit) => oneDigit(languages, digit, rest, languages.step(above09(digit), all)),
    end,
  );
  const isWhole = fraction === '' && !exclusive;
  const equal = isWhole ? endOrFraction(languages) : languages.step(POINT, behindPoint);
  return languages.some(longer, sameLength(languages, whole, equal, above09));
}

function below(languages: Languages, { value, exclusive }: Bound): Language {
  const { all, end, none } = languages;
  if (value < 0) return none;
  const [whole, fraction] = decimal(value);
  const last = exclusive ? none : zerosThen(languages, end);
  // One that ends sooner is smaller.
  const behindPoint = Array.from(fraction).reduceRight(
    (rest, digit) => languages.some(end, oneDigit(languages, digit, rest, languages.step(below09(digit), all))),
    last,
  );
  const equal = fraction === '' && exclusive ? none : languages.some(end, languages.step(POINT, behindPoint));
  const shorter = languages.times(DIGITS, 1, whole.length - 1, endOrFraction(languages));
  return languages.some(whole.length < 2 ? none : shorter, sameLength(languages, whole, equal, below09));
}

/** Numbers of as many digits: the same ones and then `equal`, or from some digit on others that `differing` allows. */
function sameLength(
  languages: Languages,
  digits: string,
  equal: Language,
  differing: (digit: string) => CodePoints,
): Language {
  let rest = equal;
  for (let left = 0; left < digits.length; left += 1) {
    const digit = digits.charAt(digits.length - 1 - left);
    const others = languages.times(DIGITS, left, left, endOrFraction(languages));
    rest = oneDigit(languages, digit, rest, languages.step(differing(digit), others));
  }
  return rest;
}

function oneDigit(languages: Languages, digit: string, next: Language, otherwise: Language): Language {
  return languages.some(otherwise, languages.text(digit, next));
}

function above09(digit: string): CodePoints {
  return rangeOf(digit.charCodeAt(0) + 1, 0x39);
}

function below09(digit: string): CodePoints {
  return rangeOf(0x30, digit.charCodeAt(0) - 1);
}

function endOrFraction(languages: Languages): Language {
  return languages.some(languages.end, languages.step(POINT, languages.all));
}

function zerosThen(languages: Languages, next: Language): Language {
  const zero = { type: 'set', set: rangeOf(0x30, 0x30) } as const;
  return languages.loop(zero, next);
}

/** With every number of digits behind the point that there may be. What takes too many remainders is left to a check. */
function multiples(languages: Languages, divisor: number, fraction: number): Language {
  const [whole, behind] = decimal(divisor);
  const scaled = Number(whole + behind);
  const { all, end } = languages;
  const forms: Language[] = [];
  for (let places = 0; places <= Math.min(fraction, behind.length); places += 1) {
    let remaining = scaled / greatestCommonDivisor(scaled, 10 ** (behind.length - places));
    // Tens are told by the zeros at the end, which takes fewer states.
    let zeros = 0;
    while (remaining % 10 === 0 && places === 0) {
      remaining /= 10;
      zeros += 1;
    }
    if (!(remaining <= MAX_DIVISOR)) return all;
    const multiple = languages.multiple(remaining, languages.text('0'.repeat(zeros), end));
    const shape = places === 0 ? end : languages.step(POINT, languages.times(DIGITS, places, places, end));
    const zero = languages.text('0', end);
    forms.push(
      languages.every(languages.some(multiple, places === 0 ? zero : languages.none), digitsThen(languages, shape)),
    );
  }
  return languages.some(...forms);
}

function digitsThen(languages: Languages, next: Language): Language {
  return languages.times(DIGITS, 1, Number.POSITIVE_INFINITY, next);
}

/** Of more remainders the automaton would be too large beside a length. */
const MAX_DIVISOR = 100;

function fractionDigits(bounds: readonly Bound[], multiplesOf: readonly number[]): number {
  const needed = bounds.map(({ value }) => decimal(Math.abs(value))[1].length);
  const wanted = Math.max(FRACTION_DIGITS, ...needed.map((digits) => digits + 1));
  const allowed = multiplesOf.map((divisor) => decimal(divisor)[1].length);
  return Math.min(MAX_DIGITS - 1, wanted, ...(allowed.length === 0 ? [wanted] : [Math.max(...allowed)]));
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

/** Before and behind the point, without zeros at either end; `0` itself is one digit. */
function decimal(value: number): readonly [string, string] {
  const [mantissa = '0', exponent = '0'] = String(Math.abs(value)).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const point = whole.length + Number(exponent);
  const digits = whole + fraction;
  const padded = point > digits.length ? digits.padEnd(point, '0') : digits;
  const before = point <= 0 ? '0' : padded.slice(0, point);
  const behind = point <= 0 ? '0'.repeat(-point) + padded : padded.slice(point);
  return [before.replace(/^0+(?=\d)/, ''), behind.replace(/0+$/, '')];
}
