export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** On Linux `glibc` or `musl`. */
  readonly libc?: string | undefined;
}

export function thisMachine(): Machine;
export function admits(
  wants: {
    readonly os?: readonly string[] | undefined;
    readonly cpu?: readonly string[] | undefined;
    readonly libc?: readonly string[] | undefined;
  },
  machine: Machine,
): boolean;
