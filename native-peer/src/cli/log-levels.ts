/** What `TABMESH_LOG` takes. */

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The level that `TABMESH_LOG` names, in any case; undefined when it names none. */
export function levelNamed(text: string | undefined): LogLevel | undefined {
  return LOG_LEVELS.find((known) => known === text?.toLowerCase());
}
