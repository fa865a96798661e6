export interface NpmCommand {
  readonly command: string;
  /** What comes before npm's own arguments. */
  readonly args: readonly string[];
  readonly shell: boolean;
}

export function npmCommand(surroundings?: {
  readonly platform?: string;
  readonly execPath?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly exists?: (path: string) => boolean;
}): NpmCommand;
