/** Log lines go to stderr, so that stdout holds only what a user or a script asked for. */
import { isPrintable, type Logger, printable } from '@tabmesh/shared';
import { type DestinationStream, destination, pino } from 'pino';
import { type LogLevel, levelNamed } from './log-levels.ts';

const STDERR = 2;

/** `TABMESH_LOG` wins over the level that a command finds sensible. Readable in a terminal, JSON lines elsewhere. */
export async function createLogger(
  defaultLevel: LogLevel,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Logger> {
  const level = levelNamed(environment.TABMESH_LOG) ?? defaultLevel;
  // Written at once: a line that waits in a buffer is lost when the process is ended.
  const { isTTY } = process.stderr;
  const target = isTTY ? forPeople((await import('pino-pretty')).default) : destination({ fd: STDERR, sync: true });
  const streamWrite = isTTY ? shownLine : printableLine;
  const logger: Logger = pino({ level, base: null, formatters: { log: rounded }, hooks: { streamWrite } }, target);
  return logger;
}

function forPeople(pretty: typeof import('pino-pretty')): DestinationStream {
  return pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' });
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
