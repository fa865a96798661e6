/**
 * The other tabs of this browser, which show the same conversations. They hear at once of what changed; a lock says where
 * one of them is answering, because it is released by the browser when its tab dies.
 */
export interface OtherTabs {
  /** Tells them what changed; undefined: everything. */
  post(conversationId: string | undefined): void;
  onChange(listener: (conversationId: string | undefined) => void): void;
  askToStop(conversationId: string): void;
  onStopAsked(listener: (conversationId: string) => void): void;
  /** Tells them that this tab answers there, until the returned call or the end of this tab. */
  hold(conversationId: string): () => void;
  /** Whether some tab answers there. */
  answering(conversationId: string): Promise<boolean>;
  /** Resolves once no tab answers there; rejects when this page closes first. */
  released(conversationId: string): Promise<void>;
  close(): void;
}

export function createOtherTabs(): OtherTabs {
  const channel = new BroadcastChannel('tabmesh-conversations');
  const closing = new AbortController();
  // A page that is not secure has none: there an answer of another tab looks cut off until it is done.
  const locks: LockManager | undefined = navigator.locks;
  const listeners: { changed(id: string | undefined): void; stop(id: string): void } = { changed() {}, stop() {} };
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (Array.isArray(data)) listeners.stop(String(data[0]));
    else listeners.changed(typeof data === 'string' ? data : undefined);
  };
  const post = (id: string | undefined) => channel.postMessage(id ?? null);
  return {
    post,
    onChange(listener) {
      listeners.changed = listener;
    },
    askToStop(id) {
      channel.postMessage([id]);
    },
    onStopAsked(listener) {
      listeners.stop = listener;
    },
    hold(id) {
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      locks
        ?.request(lockName(id), { signal: closing.signal }, () => {
          post(id);
          return released;
        })
        .catch(() => {});
      return release;
    },
    async answering(id) {
      const { held } = (await locks?.query()) ?? {};
      return held?.some(({ name }) => name === lockName(id)) ?? false;
    },
    async released(id) {
      await locks?.request(lockName(id), { mode: 'shared', signal: closing.signal }, () => {});
    },
    close() {
      closing.abort();
      channel.close();
    },
  };
}

function lockName(conversationId: string): string {
  return `tabmesh-answer-${conversationId}`;
}
