export function endTree(
  pid: number,
  surroundings?: {
    readonly platform?: string;
    readonly run?: (command: string, args: readonly string[]) => unknown;
    readonly kill?: (pid: number, signal: string) => unknown;
  },
): void;
