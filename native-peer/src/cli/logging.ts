/** Log lines go to stderr, so that stdout holds only what a user or a script asked for. */
import type { Logger } from '@tabmesh/shared';
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
  const target = process.stderr.isTTY
    ? forPeople((await import('pino-pretty')).default)
    : destination({ fd: STDERR, sync: true });
  const logger: Logger = pino({ level, base: null, formatters: { log: rounded } }, target);
  return logger;
}

function forPeople(pretty: typeof import('pino-pretty')): DestinationStream {
  return pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' });
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
