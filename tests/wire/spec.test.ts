/**
 * Holds `shared/SPEC.md` and the tests to each other. Both are read as text, so that the tests of every suite count,
 * those of the browser and of llama.cpp included.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const workspaces = ['shared', 'signaling', 'client', 'native-peer', 'tests'];

/** A case and a table of cases alike: up to the title's quote, then the title. */
const TITLE = /\bit(?:\.\w+\b[\s\S]*?\))?\(\s*(['"`])(.*?)\1/g;
/** `RT3: …`, `EN1–EN18: …`, and the suites whose cases carry their rule along. */
const QUOTE = /^(?:((?:E2E|[A-Z]{2})\d+)(?:–((?:E2E|[A-Z]{2})\d+))?|\$\{rule\}): /;
const CONTRACT_RULE = /\brule: '(.*?)'/g;
const STATEMENT = /^- \*\*(.*?)\*\* /gm;
/** Of the table that says where each prefix lives: the prefixes, then the cells with its folders. */
const HOME = /^\| ((?:[A-Z0-9]{2,3}(?:, )?)+) \|(?:[^|]*)\|([^|]*\|[^|]*)\|$/gm;

describe('the rules', () => {
  const stated = matches(readFileSync(join(root, 'shared/SPEC.md'), 'utf8'), STATEMENT, 1);
  const quotes = workspaces.flatMap((workspace) => quotesUnder(join(root, workspace)));

  it('SP1: every test title begins with a rule that is stated', () => {
    expect(quotes.length).toBeGreaterThan(300);
    expect(quotes.filter(({ rule }) => rule === undefined || !stated.includes(rule))).toEqual([]);
  });

  it('SP2: every rule is stated once, in order, and quoted by a test', () => {
    const quoted = new Set(quotes.map(({ rule }) => rule));
    expect(stated.filter((rule) => !quoted.has(rule))).toEqual([]);
    expect(stated.filter((rule, index) => !follows(stated[index - 1], rule))).toEqual([]);
    expect(stated.filter((rule, index) => stated.indexOf(rule) !== index)).toEqual([]);
  });

  it('SP3: every prefix has a home in the table at the beginning, and every folder of the table is there', () => {
    const rows = [...readFileSync(join(root, 'shared/SPEC.md'), 'utf8').matchAll(HOME)];
    const homed = rows.flatMap(([, prefixes = '']) => prefixes.split(', '));
    const prefixes = new Set(stated.map((rule) => rule.replace(/\d+$/, '')));
    expect(homed.sort()).toEqual([...prefixes].sort());
    const places = rows.flatMap(([, , cells = '']) => matches(cells, /`([^`]+)`/g, 1));
    expect(places.length).toBeGreaterThan(20);
    expect(places.filter((place) => !existsSync(join(root, place)))).toEqual([]);
  });
});

interface Quote {
  readonly file: string;
  readonly title: string;
  /** Undefined when the title quotes none. */
  readonly rule: string | undefined;
}

function quotesUnder(folder: string): Quote[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((found): Quote[] => {
    const path = join(folder, found.name);
    if (found.isDirectory()) return ['node_modules', 'dist'].includes(found.name) ? [] : quotesUnder(path);
    const file = path.slice(root.length + 1);
    if (/-contract\.ts$/.test(file)) return [...contractQuotes(path, file), ...titleQuotes(path, file)];
    return file.endsWith('.test.ts') ? titleQuotes(path, file) : [];
  });
}

function titleQuotes(path: string, file: string): Quote[] {
  return matches(readFileSync(path, 'utf8'), TITLE, 2).flatMap((title): Quote[] => {
    const quote = QUOTE.exec(title);
    if (quote === null) return [{ file, title, rule: undefined }];
    return quote.slice(1).flatMap((rule) => (rule === undefined ? [] : [{ file, title, rule }]));
  });
}

function contractQuotes(path: string, file: string): Quote[] {
  return matches(readFileSync(path, 'utf8'), CONTRACT_RULE, 1).map((rule) => ({ file, title: 'of a contract', rule }));
}

function matches(text: string, pattern: RegExp, group: number): string[] {
  return [...text.matchAll(pattern)].map((match) => match[group] ?? '');
}

/** Within one prefix the numbers grow. */
function follows(before: string | undefined, rule: string): boolean {
  const split = (id = '') => /^(E2E|[A-Z]{2})(\d+)$/.exec(id)?.slice(1) ?? ['', ''];
  const [prefix, number] = split(rule);
  const [prefixBefore, numberBefore] = split(before);
  return prefix !== '' && (prefix !== prefixBefore || Number(number) > Number(numberBefore));
}
