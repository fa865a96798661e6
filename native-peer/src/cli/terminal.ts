/**
 * What the command line prints. Much of it was said by others: an entry's refusal, a server's error, a model's name. So
 * nothing is printed but through here, line by line, and no line does anything to a terminal.
 */
import { printable } from '@tabmesh/shared';

/** What was asked for, on stdout. */
export function print(...lines: readonly string[]): void {
  for (const line of lines) console.log(printable(line));
}

/** What went wrong, on stderr. */
export function complain(...lines: readonly string[]): void {
  for (const line of lines) console.error(printable(line));
}

/** A value as JSON to read and to parse. */
export function printJson(value: unknown): void {
  print(...JSON.stringify(value, null, 2).split('\n'));
}
