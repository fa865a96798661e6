/** Asks again with fewer turns when the conversation is longer than the context, where the client allows that. */
import { MAX_SHORTENINGS } from '../limits/limits.ts';
import { shorterConversation } from './conversation.ts';
import type { ResponseQuestion } from './response-request.ts';

/** @param open reads the question when it is ready to be refused */
export async function openShortened<Opened>(
  read: () => ResponseQuestion,
  open: (read: () => ResponseQuestion) => Promise<Opened>,
): Promise<Opened> {
  let asked: ResponseQuestion | undefined;
  let readNext = () => {
    asked = read();
    return asked;
  };
  for (let tries = 0; ; tries += 1) {
    try {
      return await open(readNext);
    } catch (error) {
      const shorter = asked?.mayBeShortened ? shorterConversation(asked.items, error) : undefined;
      if (asked === undefined || shorter === undefined || tries === MAX_SHORTENINGS) throw error;
      const shortened = asked.shortened(shorter);
      asked = shortened;
      readNext = () => shortened;
    }
  }
}
