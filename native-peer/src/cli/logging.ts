/** Log lines go to stderr, so that stdout holds only what a user or a script asked for. */
import { isPrintable, type Logger, printable } from '@tabmesh/shared';
import { destination, pino } from 'pino';
import pretty from 'pino-pretty';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDERR = 2;

/** The level that `TABMESH_LOG` names, in any case; undefined when it names none. */
export function levelNamed(text: string | undefined): LogLevel | undefined {
  return LOG_LEVELS.find((known) => known === text?.toLowerCase());
}

/** `TABMESH_LOG` wins over the level that a command finds sensible. Readable in a terminal, JSON lines elsewhere. */
export function createLogger(defaultLevel: LogLevel, environment: NodeJS.ProcessEnv = process.env): Logger {
  const level = levelNamed(environment.TABMESH_LOG) ?? defaultLevel;
  // Written at once: a line that waits in a buffer is lost when the process is ended.
  const { isTTY } = process.stderr;
  const target = isTTY
    ? pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' })
    : destination({ fd: STDERR, sync: true });
  const streamWrite = isTTY ? shownLine : printableLine;
  return pino({ level, base: null, formatters: { log: rounded }, hooks: { streamWrite } }, target);
}

/** A line of JSON, which pino writes with the controls that JSON allows as they are. */
export function printableLine(line: string): string {
  return `${printable(line.trimEnd())}\n`;
}

/**
 * The same for a terminal, where pino-pretty turns escapes into what they stand for: each stands for itself then. The lines of
 * a stack stay lines, behind the margin that no line of a log has.
 */
export function shownLine(line: string): string {
  return printableLine(line).replace(/\\n {4}|\\(u[0-9a-f]{4}|.)/gi, (written, kind: string | undefined) => {
    if (kind === undefined) return written;
    const character: unknown = JSON.parse(`"${written}"`);
    return typeof character === 'string' && isPrintable(character) ? written : `\\${written}`;
  });
}

/** Durations come with fourteen digits, of which a reader wants a few. */
function rounded(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'number' && Number.isFinite(value) ? Math.round(value * 1000) / 1000 : value,
    ]),
  );
}
