/** What spoils an entry's figures and its roster: made-up answers, made-up models, records as large as they may be. */
import { type AnswerReport, ModelId } from '@tabmesh/shared';
import { createMember, join, openSocket, servedModel } from '../../../signaling/test/setup/member.ts';
import { type Attack, createEndings } from './attack.ts';

const REPORT_MS = 50;
const MODELS = 32;
const FAT_MEMBERS = 95;
/** The entry lets an address join so often. */
const JOIN_MS = 55;

/** One member that says of itself that it answered ten million tokens, again and again, by ever new models. */
export const madeUpAnswers: Attack = {
  name: 'made-up answers of made-up models',
  async start(entryUrl) {
    const endings = createEndings();
    const member = createMember();
    const socket = openSocket(entryUrl);
    endings.add(() => socket.disconnect());
    let turn = 0;
    const models = () =>
      Array.from({ length: MODELS }, (_, place) => ({
        ...servedModel(`made-up-${turn}-${place}`),
        contextTokens: 10_000_000,
        measured: { ...MEASURED },
      }));
    await join(socket, member, member.announcement({ models: models() }));
    const write = setInterval(() => {
      if (turn % MODELS === 0) socket.emit('announce', member.announcement({ models: models() }));
      const report: AnswerReport = {
        servedBy: 'mesh',
        peerId: member.peerId,
        model: ModelId.parse(`made-up-${turn - (turn % MODELS)}-${turn % MODELS}`),
        completionTokens: turn % 2 === 0 ? 10_000_000 : 1,
        ttftMs: 1,
        tokensPerSecond: 1,
      };
      socket.emit('report', report);
      turn += 1;
    }, REPORT_MS);
    endings.add(() => clearInterval(write));
    return () => endings.end();
  },
};

/** Ninety-five members whose records are as large as the wire takes, so that each newcomer downloads them. */
export const fatRecords: Attack = {
  name: 'records of 43 KB from 95 members',
  async start(entryUrl) {
    const endings = createEndings();
    for (let count = 0; count < FAT_MEMBERS; count += 1) {
      const member = createMember();
      const socket = openSocket(entryUrl);
      endings.add(() => socket.disconnect());
      join(socket, member, member.announcement({ padding: 'x'.repeat(43_000) } as object)).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, JOIN_MS));
    }
    return () => endings.end();
  },
};

export const attacks: readonly Attack[] = [madeUpAnswers, fatRecords];

const MEASURED = {
  ttftMs: 1,
  ttftP95Ms: 1,
  tokensPerSecond: 1,
  tokensPerSecondP95: 1,
  sampleCount: 1_000_000,
  ageMs: 0,
};
