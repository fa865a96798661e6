/**
 * What fills an entry's memory: members that never read while others send to them, listeners and answers that nobody
 * reads, and long prompts at a peer that never answers.
 */
import { connect } from 'node:net';
import { ClassId, type Engine, ModelId } from '@tabmesh/shared';
import { createMember, join, openSocket, type TestMember } from '../../../signaling/test/setup/member.ts';
import { stopReading } from '../../../signaling/test/setup/silent-socket.ts';
import { joinFromNode } from '../peers/node-mesh.ts';
import { type Attack, createEndings } from './attack.ts';

const SILENT_MEMBERS = 16;
const TALKERS = 4;
const TALK_MS = 10;
const LISTENERS = 64;
const PROMPTS = 200;
const PROMPT_CHARS = 1024 * 1024 - 1_000;
const SILENT_MODEL = ModelId.parse('attack-silent');

/** Sixteen members that take nothing, and four that send them as much as the entry lets them. */
export const unreadMembers: Attack = {
  name: 'members that never read',
  async start(entryUrl) {
    const endings = createEndings();
    const silent = Array.from({ length: SILENT_MEMBERS }, createMember);
    for (const member of silent) endings.add(await staySilently(entryUrl, member));
    for (let count = 0; count < TALKERS; count += 1) {
      const member = createMember();
      const socket = openSocket(entryUrl);
      endings.add(() => socket.disconnect());
      await join(socket, member);
      let turn = 0;
      const talk = setInterval(() => {
        if (!socket.connected) return;
        turn += 1;
        const to = silent[turn % silent.length]?.peerId ?? member.peerId;
        socket.emit('describe', { to, record: member.description(to, { index: 1, payload: 'x'.repeat(32_000) }) });
        if (turn % 20 === 0) socket.emit('announce', member.announcement({ padding: 'x'.repeat(60_000) } as object));
      }, TALK_MS);
      endings.add(() => clearInterval(talk));
    }
    return () => endings.end();
  },
};

/** Connections that ask for what is long, and take nothing of it. */
export const unreadReplies: Attack = {
  name: 'replies that nobody reads',
  async start(entryUrl) {
    const endings = createEndings();
    for (let count = 0; count < LISTENERS; count += 1) {
      const path = count % 2 === 0 ? '/api/events' : '/api/status';
      endings.add(
        askSilently(entryUrl, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(count % 2 === 0 ? 1 : 50)),
      );
    }
    return () => endings.end();
  },
};

/** Two hundred prompts of a megabyte each for a peer that takes them and never says a word. */
export const silentPeer: Attack = {
  name: 'long prompts at a silent peer',
  async start(entryUrl) {
    const endings = createEndings();
    const mesh = joinFromNode(entryUrl, 'native');
    endings.add(() => mesh.close());
    mesh.addEngine(createSilentEngine());
    await untilServed(entryUrl);
    const stop = new AbortController();
    endings.add(() => stop.abort());
    const body = JSON.stringify({ model: SILENT_MODEL, prompt: 'x '.repeat(PROMPT_CHARS / 2) });
    const asked: Promise<unknown>[] = [];
    for (let count = 0; count < PROMPTS; count += 1) {
      const headers = { 'content-type': 'application/json' };
      const reply = fetch(`${entryUrl}/v1/completions`, { method: 'POST', headers, body, signal: stop.signal });
      asked.push(reply.then((response) => response.text()).catch(() => {}));
    }
    endings.add(() => Promise.all(asked));
    return () => {
      stop.abort();
      return endings.end();
    };
  },
};

export const attacks: readonly Attack[] = [unreadMembers, unreadReplies, silentPeer];

/** Comes back whenever it is cut off. Returns what ends it. */
async function staySilently(entryUrl: string, member: TestMember): Promise<() => void> {
  const socket = openSocket(entryUrl);
  let leave: () => void = () => socket.disconnect();
  await join(socket, member);
  stopReading(socket);
  // The pong that keeps it alive, whether it was asked for or not.
  const line = socket.io.engine as unknown as {
    readonly transport: { readonly ws: { send(text: string): void } | null };
  };
  const alive = setInterval(() => line.transport.ws?.send('3'), 1_000);
  let isOver = false;
  socket.once('disconnect', () => {
    clearInterval(alive);
    if (isOver) return;
    staySilently(entryUrl, member).then(
      (next) => {
        leave = next;
        if (isOver) leave();
      },
      () => {},
    );
  });
  return () => {
    isOver = true;
    leave();
  };
}

/** Returns what hangs up. */
function askSilently(entryUrl: string, text: string): () => void {
  const { hostname, port } = new URL(entryUrl);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.pause();
  socket.write(text);
  return () => socket.destroy();
}

function createSilentEngine(): Engine {
  return {
    model: {
      id: SILENT_MODEL,
      classId: ClassId.parse('f'.repeat(32)),
      family: 'scripted',
      backend: 'silent',
      contextTokens: 10_000_000,
      slots: 1_000,
      sizeBytes: 1,
      features: [],
    },
    async *generate(_request, signal) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
      yield { type: 'tokens', text: '', tokenCount: 1 };
    },
    onLost: () => () => {},
    async close() {},
  };
}

async function untilServed(entryUrl: string): Promise<void> {
  for (;;) {
    const { data } = (await (await fetch(`${entryUrl}/v1/models`)).json()) as { data: { id: string }[] };
    if (data.some(({ id }) => id === SILENT_MODEL)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
