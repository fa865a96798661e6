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
} from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { type Entry, startEntry } from '@tabmesh/signaling';
import { root } from './command.ts';

export function startTestEntry(): Promise<Entry> {
  return startEntry({
    host: '127.0.0.1',
    port: 0,
    webRoot: join(root, 'client/dist'),
    modelRoot: join(root, 'shared/models'),
    identity: createIdentity(systemRandom),
    version: '0.0.0-test',
    logger: silentLogger,
  });
}

/** A native peer in this process, serving the engine if there is one. */
export function startMember(url: string, engine?: Engine): Mesh {
  const mesh = createMesh({
    identity: createIdentity(systemRandom),
    kind: 'native',
    version: '0.0.0-test',
    signaling: createSocketIoSignaling({ url }),
    transport: createNodeTransport(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  if (engine !== undefined) mesh.addEngine(engine);
  return mesh;
}

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
 * Answers with the words of the question, `intervalMs` apart: a test can make a page show any text at any pace.
 */
export function createEchoEngine(id: string, intervalMs: number): Engine {
  return {
    model: {
      id: ModelId.parse(id),
      classId: ClassId.parse('e'.repeat(32)),
      family: 'scripted',
      backend: 'echo',
      contextTokens: 4096,
      slots: 4,
      sizeBytes: 1,
      features: [],
    },
    async *generate(request, signal) {
      const words = (request.messages.at(-1)?.content ?? '').split(/(?<=\s)/);
      for (const word of words) {
        await setTimeout(intervalMs, undefined, { signal });
        yield { type: 'tokens', text: word, tokenCount: 1 };
      }
      const usage = { promptTokens: words.length, completionTokens: words.length, cachedTokens: 0 };
      yield { type: 'end', reason: 'stop', usage };
    },
    onLost: () => () => {},
    close: async () => {},
  };
}
