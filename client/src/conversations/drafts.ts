/** Unsent text, per conversation, kept over reloads. Its text goes when its conversation goes. */

/** The parts of `Storage` that are used. */
export interface TextStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Drafts {
  read(conversationId: string | undefined): string;
  write(conversationId: string | undefined, text: string): void;
}

/** Without a store, or when it is full, drafts last until the page closes. */
export function createDrafts(store: TextStore | undefined): Drafts {
  const drafts = new Map<string, string>();
  return {
    read(conversationId) {
      const key = keyOf(conversationId);
      return drafts.get(key) ?? store?.getItem(key) ?? '';
    },
    write(conversationId, text) {
      const key = keyOf(conversationId);
      drafts.set(key, text);
      try {
        if (text === '') store?.removeItem(key);
        else store?.setItem(key, text);
      } catch {
        // Full: the copy in memory is what this page reads.
      }
    },
  };
}

function keyOf(conversationId: string | undefined): string {
  return `tabmesh.draft.${conversationId ?? 'new'}`;
}
