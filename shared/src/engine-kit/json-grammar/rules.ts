/**
 * The rules of one grammar. A rule is named at once and written later, so a schema may contain itself; what can't come to an
 * end is taken out before the grammar is printed, because an engine that went there would never leave.
 */
import { MAX_GRAMMAR_CHARS } from '../../limits.ts';
import { BASE_RULES } from './gbnf.ts';
import { SchemaTrouble } from './schema-trouble.ts';

export interface Rule {
  readonly name: string;
  /** Texts of GBNF and rules, one behind the other. None at all: nothing follows this rule. */
  alternatives: readonly (readonly Part[])[];
  /** Stands in brackets where it is used. */
  inline?: boolean;
}
export type Part = string | Rule;

export class Rules {
  readonly #rules: Rule[] = [];
  readonly #byText = new Map<string, Rule>();

  /** To be written later. */
  open(): Rule {
    const rule: Rule = { name: `r${this.#rules.length}`, alternatives: [] };
    this.#rules.push(rule);
    return rule;
  }

  /** Equal rules are one. */
  of(...alternatives: readonly (readonly Part[])[]): Rule {
    const text = textOf(alternatives, nameOf);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const rule = this.open();
    rule.alternatives = alternatives;
    this.#byText.set(text, rule);
    return rule;
  }

  /** Takes out what has no end. @returns whether anything is left of the root */
  prune(root: Rule): boolean {
    const ending = new Set<Rule>();
    const users = new Map<Rule, Rule[]>();
    const ends = (alternative: readonly Part[]) =>
      alternative.every((part) => typeof part === 'string' || ending.has(part));
    for (const rule of this.#rules) {
      for (const part of rule.alternatives.flat()) {
        if (typeof part === 'string') continue;
        const known = users.get(part);
        if (known === undefined) users.set(part, [rule]);
        else known.push(rule);
      }
    }
    for (const waiting = [...this.#rules]; waiting.length > 0; ) {
      const rule = waiting.pop();
      if (rule === undefined || ending.has(rule) || !rule.alternatives.some(ends)) continue;
      ending.add(rule);
      waiting.push(...(users.get(rule) ?? []));
    }
    for (const rule of this.#rules) rule.alternatives = rule.alternatives.filter(ends);
    return ending.has(root);
  }

  /** How many ways there are at one place at most. */
  mostChoices(): number {
    const counts = new Map<Rule, number>();
    const choicesOf = (rule: Rule): number => {
      const known = counts.get(rule);
      if (known !== undefined) return known;
      counts.set(rule, 1);
      const sum = rule.alternatives.reduce((total, [first]) => {
        if (first === undefined || typeof first === 'string') return total + waysOf(first ?? '');
        return total + choicesOf(first);
      }, 0);
      counts.set(rule, Math.max(1, sum));
      return Math.max(1, sum);
    };
    // The later ones first: earlier ones lead to them, and a long chain of them would take the stack.
    return [...this.#rules].reverse().reduce((most, rule) => Math.max(most, choicesOf(rule)), 1);
  }

  print(root: Rule): string {
    const reached = new Set([root]);
    const written = (part: Part): string => {
      const found = meant(part);
      if (typeof found === 'string') return found;
      if (found.inline === true) return `(${textOf(found.alternatives, written)})`;
      reached.add(found);
      return found.name;
    };
    const lines: string[] = [];
    for (const rule of reached) {
      lines.push(`${rule === root ? 'root' : rule.name} ::= ${textOf(rule.alternatives, written)}`);
    }
    for (const [name, body] of Object.entries(BASE_RULES)) lines.push(`${name} ::= ${body}`);
    const text = lines.join('\n');
    if (text.length > MAX_GRAMMAR_CHARS) {
      throw new SchemaTrouble('', `makes a grammar of over ${MAX_GRAMMAR_CHARS / 1024} KB`);
    }
    return text;
  }
}

/** A rule that only names another one is that one. */
function meant(part: Part): Part {
  let found = part;
  for (let steps = 0; steps < 100 && typeof found !== 'string'; steps += 1) {
    const [only = [], other] = found.alternatives;
    const [first, second] = only;
    if (other !== undefined || first === undefined || second !== undefined) return found;
    found = first;
  }
  return found;
}

function textOf(alternatives: readonly (readonly Part[])[], written: (part: Part) => string): string {
  return alternatives.map((parts) => parts.map(written).join(' ') || '""').join(' | ');
}

function nameOf(part: Part): string {
  return typeof part === 'string' ? part : part.name;
}

/** A set of many ranges is held against each token as some ways are. */
function waysOf(text: string): number {
  return text.startsWith('[') ? 1 + Math.floor(text.length / 1024) : 1;
}
