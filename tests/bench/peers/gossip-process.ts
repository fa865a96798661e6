/** Members of a mesh in one process: some that watch their rosters, one that serves or one that asks. */
import { setTimeout } from 'node:timers/promises';
import { type Mesh, type ModelId, type PeerId, systemClock } from '@tabmesh/shared';
import { createScriptedEngine } from '@tabmesh/shared/testing';
import { answerCalls } from '../run/answer-calls.ts';
import { type Serving, whenLinked } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';
import { machineMs } from './one-clock.ts';
import { joinPlainServer, type PlainClients } from './plain-broadcast.ts';

export type GossipCalls = {
  /** Members with an interest in their own: none of them dials anybody. */
  join(options: { url: string; count: number; everyMs: number }): Promise<void>;
  serve(): Serving;
  /** From now on notes when a member's roster shows how many samples the peer has. */
  watch(peerId: PeerId): void;
  /** The peer's announcement as it travels. */
  announcementText(peerId: PeerId): string;
  whenReady(serving: Serving): Promise<void>;
  /** One answer, from its request to its end; returns the moment of the end. */
  ask(model: ModelId): Promise<number>;
  /** One list per member: when its roster showed the first, second, … of that many samples. */
  seen(samples: number): Promise<number[][]>;
  plainJoin(options: { url: string; count: number }): Promise<void>;
  plainSend(text: string): number;
  plainReceived(count: number): Promise<number[][]>;
};

/** Long enough for a rate to be told, short enough for many. */
const ANSWER = { tokens: 12, ttftMs: 5, tokenIntervalMs: 5 };

interface Watcher {
  readonly mesh: Mesh;
  /** By sample, when it was first seen. */
  readonly seenMs: number[];
  changed(): void;
}

const { signal } = new AbortController();
let watchers: Watcher[] = [];
let plain: PlainClients | undefined;

answerCalls<GossipCalls>({
  async join({ url, count, everyMs }) {
    watchers = [];
    while (watchers.length < count) {
      const mesh = joinFromNode(url, 'native');
      watchers.push({ mesh, seenMs: [], changed() {} });
      if (watchers.length < count) await setTimeout(everyMs);
    }
    await Promise.all(watchers.map(({ mesh }) => whenOnline(mesh)));
  },
  serve() {
    const engine = createScriptedEngine({ clock: systemClock, scenario: 'steady', ...ANSWER });
    const { mesh } = first();
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  watch(peerId) {
    for (const watcher of watchers) {
      watcher.mesh.onChange(() => {
        const shown = announcementOf(watcher.mesh, peerId)?.models[0]?.measured?.sampleCount ?? 0;
        const nowMs = machineMs();
        while (watcher.seenMs.length < shown) watcher.seenMs.push(nowMs);
        watcher.changed();
      });
    }
  },
  announcementText: (peerId) => JSON.stringify(announcementOf(first().mesh, peerId) ?? null),
  async whenReady(serving) {
    const { mesh } = first();
    // The first answer makes the link.
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!mesh.models().some(({ id }) => id === serving.model)) return;
        stop();
        resolve();
      };
      const stop = mesh.onChange(look);
      look();
    });
    await answer(mesh, serving.model);
    await whenLinked(mesh, serving, signal);
  },
  async ask(model) {
    await answer(first().mesh, model);
    return machineMs();
  },
  seen: (samples) => Promise.all(watchers.map((watcher) => whenSeen(watcher, samples))),
  async plainJoin({ url, count }) {
    plain = await joinPlainServer(url, count);
  },
  plainSend: (text) => joinedPlain().send(text),
  plainReceived: (count) => joinedPlain().received(count),
});

function announcementOf(mesh: Mesh, peerId: PeerId) {
  return mesh.peers().find((peer) => peer.peerId === peerId)?.announcement;
}

function first(): Watcher {
  const [watcher] = watchers;
  if (watcher === undefined) throw new Error('Nobody has joined yet.');
  return watcher;
}

function joinedPlain(): PlainClients {
  if (plain === undefined) throw new Error('Nobody has joined the plain server yet.');
  return plain;
}

function whenOnline(mesh: Mesh): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const connection = mesh.connection();
      if (connection.state === 'refused') reject(new Error(connection.message));
      if (connection.state !== 'online') return;
      stop();
      resolve();
    };
    const stop = mesh.onChange(look);
    look();
  });
}

async function answer(mesh: Mesh, model: ModelId): Promise<void> {
  const messages = [{ role: 'user' as const, content: 'How far does a sample travel?' }];
  for await (const event of mesh.complete({ model, messages }, signal)) if (event.type === 'end') return;
}

function whenSeen(watcher: Watcher, samples: number): Promise<number[]> {
  return new Promise((resolve) => {
    watcher.changed = () => {
      if (watcher.seenMs.length < samples) return;
      watcher.changed = () => {};
      resolve([...watcher.seenMs]);
    };
    watcher.changed();
  });
}
