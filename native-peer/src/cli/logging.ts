/** Log lines go to stderr, so that stdout holds only what a user or a script asked for. */
import type { Logger } from '@tabmesh/shared';
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
  const target = process.stderr.isTTY
    ? pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' })
    : destination({ fd: STDERR, sync: true });
  return pino({ level, base: null, formatters: { log: rounded } }, target);
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
