/** The palette's commands, and which of them a few typed letters mean. */
export interface Command {
  readonly id: string;
  readonly label: string;
  /** What kind of thing it is: 'Page', 'Model', 'Conversation'. */
  readonly kind: string;
  run(): void;
}

const SHOWN_COMMANDS = 12;

/** Every typed word has to occur in the label or the kind; labels that begin with the query come first. */
export function matchCommands(commands: readonly Command[], query: string): Command[] {
  const wanted = query.trim().toLowerCase();
  const words = wanted.split(/\s+/);
  const matching = commands.filter(({ label, kind }) => {
    const text = `${label} ${kind}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const beginning = (command: Command) => command.label.toLowerCase().startsWith(wanted);
  return [...matching.filter(beginning), ...matching.filter((command) => !beginning(command))].slice(0, SHOWN_COMMANDS);
}
