/** What no well-meant client does: a socket that stays, says that it lives, and takes nothing of what it is sent. */
import type { TestSocket } from './member.ts';

/** The insides of engine.io's client, whose own interface always reads. */
interface Insides {
  readonly io: {
    readonly engine: {
      readonly transport: { readonly ws: { readonly _socket: { pause(): void; resume(): void } } };
    };
  };
}

/** Returns what makes it read on. */
export function stopReading(socket: TestSocket): () => void {
  const line = (socket as unknown as Insides).io.engine.transport.ws._socket;
  line.pause();
  return () => line.resume();
}
