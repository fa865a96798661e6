/** Tells the other tabs of this browser that a conversation changed; each reads it again. */
import type { ChangeChannel } from '../state/conversations.svelte.ts';

export function createChangeChannel(): ChangeChannel {
  const channel = new BroadcastChannel('tabmesh-conversations');
  return {
    post(conversationId) {
      channel.postMessage(conversationId ?? null);
    },
    onChange(listener) {
      channel.onmessage = (event: MessageEvent<unknown>) => {
        listener(typeof event.data === 'string' ? event.data : undefined);
      };
    },
    close() {
      channel.close();
    },
  };
}
