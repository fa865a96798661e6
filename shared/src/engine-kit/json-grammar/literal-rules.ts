/** Values that stand in the schema itself. What several begin with is written once: an engine goes through all that may come. */
import { literal } from './gbnf.ts';
import type { Part, Rules } from './rules.ts';

export function literalRule(rules: Rules, values: readonly unknown[]): readonly Part[] {
  return sharedBeginnings(rules, [...new Set(values.map((value) => JSON.stringify(value)))]);
}

/** Texts as a tree of their beginnings. */
function sharedBeginnings(rules: Rules, texts: readonly string[]): readonly Part[] {
  const [first = '', ...others] = texts;
  if (others.length === 0) return [literal(first)];
  const length = texts.reduce((common, text) => commonLength(first, text, common), first.length);
  const branches = new Map<string, string[]>();
  for (const text of texts) {
    const rest = text.slice(length);
    // In whole characters.
    const [head = ''] = rest;
    const branch = branches.get(head);
    if (branch === undefined) branches.set(head, [rest]);
    else branch.push(rest);
  }
  const branching = rules.of(...Array.from(branches.values(), (branch) => sharedBeginnings(rules, branch)));
  branching.inline = true;
  return length === 0 ? [branching] : [literal(first.slice(0, length)), branching];
}

function commonLength(one: string, other: string, most: number): number {
  let length = 0;
  while (length < most && one[length] === other[length]) length += 1;
  return /[\ud800-\udbff]/.test(one.charAt(length - 1)) ? length - 1 : length;
}
