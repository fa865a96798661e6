/** What is said under an answer that one peer began and another one went on with. */
import type { Message } from '../conversations/conversation.ts';

/** Undefined when one peer wrote it all. */
export function handoverText({ begunBy = [], host, status }: Message): string | undefined {
  if (begunBy.length === 0 || host === null) return undefined;
  const isWhole = status.state === 'done' && status.finish !== 'stopped';
  const names = [...begunBy, host].map(({ peerName }) => peerName);
  return names
    .map((name, index) => {
      if (index === 0) return `Begun by ${name}`;
      const how = isWhole && index === names.length - 1 ? 'finished' : 'continued';
      const sameBuild = begunBy[index - 1]?.sameBuild ?? true;
      return `${how} by ${name}${sameBuild ? '' : ' with another build of the model'}`;
    })
    .join(', ');
}
