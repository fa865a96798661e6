/** The other end of `children.ts`: a process answers the named calls of the one that started it, and ends with it. */
import type { CallMessage, Calls, ReplyMessage } from './children.ts';

export function answerCalls<Api extends Calls>(api: Api): void {
  process.on('message', (call: CallMessage) => void answer(api, call));
  // Ctrl-C reaches every process of the terminal; the one that started this one decides.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

async function answer<Api extends Calls>(api: Api, { id, name, argument }: CallMessage): Promise<void> {
  try {
    const call = api[name] as ((argument: unknown) => unknown) | undefined;
    if (call === undefined) throw new Error(`This process has no call '${name}'.`);
    reply({ id, result: await call(argument) });
  } catch (error) {
    reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function reply(message: ReplyMessage): void {
  process.send?.(message);
}
