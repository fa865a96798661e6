/** An entry with the built web app, and members that run inside the test with engines that it holds in its hand. */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  ClassId,
  createIdentity,
  createMesh,
  createSocketIoSignaling,
  type Engine,
  type Mesh,
  ModelId,
  silentLogger,
  systemClock,
  systemRandom,
  type Transport,
} from '@tabmesh/shared';
import { createNodeTransport, verifySignatureInNode } from '@tabmesh/shared/node';
import { type Entry, type EntryOptions, startEntry } from '@tabmesh/signaling';
import { root } from './command.ts';

export function startTestEntry(
  options: Partial<Pick<EntryOptions, 'host' | 'port' | 'fallback' | 'access' | 'hubLimits'>> = {},
): Promise<Entry> {
  return startEntry({
    host: '127.0.0.1',
    port: 0,
    ...options,
    webRoot: join(root, 'client/dist'),
    modelRoot: join(root, 'shared/models'),
    identity: createIdentity(systemRandom),
    version: '0.0.0-test',
    logger: silentLogger,
  });
}

/** A native peer in this process, serving the engine if there is one. */
export function startMember(url: string, engine?: Engine, transport: Transport = createNodeTransport()): Mesh {
  const mesh = createMesh({
    identity: createIdentity(systemRandom),
    kind: 'native',
    version: '0.0.0-test',
    signaling: [createSocketIoSignaling({ url })],
    transports: [transport],
    verify: verifySignatureInNode,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  if (engine !== undefined) mesh.addEngine(engine);
  return mesh;
}

/** Of a member whom no link reaches, as behind a firewall: it dials nobody and answers no dial. */
export const unreachable: Transport = {
  way: 'webrtc',
  open: (_options, handlers) => ({
    signal: () => {},
    send() {
      throw new Error('The channel never opens.');
    },
    bufferedBytes: () => 0,
    close: () => handlers.onClose(undefined),
  }),
};

/** Resolves once what the mesh knows makes the condition true. */
export function untilMesh(mesh: Mesh, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = mesh.onChange(look);
    function look(): void {
      if (!condition()) return;
      stop();
      resolve();
    }
    look();
  });
}

/**
 * Answers with the words of the question, `interval` milliseconds apart, or after what it returns is done each: a test can
 * make a page show any text at any pace, and change the pace.
 */
export function createEchoEngine(
  id: string,
  interval: number | ((signal: AbortSignal) => Promise<unknown>),
  slots = 4,
): Engine {
  const pause =
    typeof interval === 'number' ? (signal: AbortSignal) => setTimeout(interval, undefined, { signal }) : interval;
  return {
    model: {
      id: ModelId.parse(id),
      classId: ClassId.parse('e'.repeat(32)),
      family: 'scripted',
      backend: 'echo',
      contextTokens: 4096,
      slots,
      sizeBytes: 1,
      features: [],
    },
    async *generate(request, signal) {
      const words = (request.messages.at(-1)?.content ?? '').split(/(?<=\s)/);
      for (const word of words) {
        await pause(signal);
        yield { type: 'tokens', text: word, tokenCount: 1 };
      }
      const usage = { promptTokens: words.length, completionTokens: words.length, cachedTokens: 0 };
      yield { type: 'end', reason: 'stop', usage };
    },
    onLost: () => () => {},
    close: async () => {},
  };
}
