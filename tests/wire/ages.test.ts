/** What members of other ages say, as files: see `ages/README.md`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Announcement,
  AnswerReport,
  Challenge,
  Describe,
  decodeAnnouncement,
  decodePeerMessage,
  decodeSessionDescription,
  encodePeerMessage,
  Join,
  JoinProof,
  JoinRefusal,
  MESH_ERROR_CODES,
  PeerMessage,
  RosterDelta,
  SignedRecord,
  Welcome,
  WIRE_CODE_OF,
} from '@tabmesh/shared';
import {
  YESTERDAYS_ERROR_CODES,
  YESTERDAYS_SIGNALING,
  YesterdaysAnnouncement,
  YesterdaysPeerMessage,
  YesterdaysSessionDescription,
} from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import golden from './golden.json' with { type: 'json' };

const AGES = join(import.meta.dirname, 'ages');
const SIGNALING = {
  challenge: Challenge,
  join: Join,
  welcome: Welcome,
  refused: JoinRefusal,
  roster: RosterDelta,
  announce: SignedRecord,
  description: SignedRecord,
  describe: Describe,
  report: AnswerReport,
} as const;

type SignalingEvent = keyof typeof SIGNALING;
type Json = Record<string, unknown>;

const samples = <Sample>(age: string, of: string) =>
  JSON.parse(readFileSync(join(AGES, age, `${of}.json`), 'utf8')) as readonly Sample[];
const decode = (text: string) => decodePeerMessage(new TextEncoder().encode(text));

describe('what was said in November 2026', () => {
  const messages = samples<string>('2026-11', 'peer-messages');
  const announcements = samples<SignedRecord>('2026-11', 'announcements');
  const descriptions = samples<SignedRecord>('2026-11', 'session-descriptions');
  const signaling = samples<{ event: SignalingEvent; payload: Json }>('2026-11', 'signaling');

  it('WR16: has a sample of every message, of every error code and of every signaling event', () => {
    const typed = messages.map((text) => JSON.parse(text) as { type: string; code?: string });
    expect(new Set(typed.map(({ type }) => type))).toEqual(
      new Set(YesterdaysPeerMessage.options.map(({ shape }) => shape.type.value)),
    );
    expect(new Set(typed.flatMap(({ code = [] }) => code))).toEqual(new Set(YESTERDAYS_ERROR_CODES));
    const events = [...new Set([...signaling.map(({ event }) => event), 'proof'])].sort();
    expect(events).toEqual(Object.keys(YESTERDAYS_SIGNALING).sort());
  });

  it.each(messages)('WR16: %s is read as it was meant, and said again in the same words', (text) => {
    const message = decode(text);
    const meant = YesterdaysPeerMessage.parse(JSON.parse(text));
    if (message.type === 'unknown') throw new Error(`${text} is unknown.`);
    if (meant.type === 'job-error') {
      expect(message).toEqual({ ...meant, code: WIRE_CODE_OF[meant.code] });
      return;
    }
    expect(message).toEqual(meant);
    expect(new TextDecoder().decode(encodePeerMessage(message))).toBe(text);
  });

  it('WR16: every announcement is read as it was meant, signature and all', () => {
    expect(announcements.length).toBeGreaterThan(4);
    for (const record of announcements) {
      expect(decodeAnnouncement(record)).toEqual(YesterdaysAnnouncement.parse(JSON.parse(record.body)));
    }
  });

  it('WR16: every session description is read as it was meant, signature and all', () => {
    expect(descriptions.length).toBeGreaterThan(1);
    for (const record of descriptions) {
      expect(decodeSessionDescription(record)).toEqual(YesterdaysSessionDescription.parse(JSON.parse(record.body)));
    }
  });

  it.each(signaling)('WR16: the signaling event $event is read as it was meant', ({ event, payload }) => {
    expect(SIGNALING[event].parse(payload)).toEqual(YESTERDAYS_SIGNALING[event].parse(payload));
  });
});

describe('what this version says', () => {
  const signaling = samples<{ event: SignalingEvent; payload: Json }>('2026-11', 'signaling');
  const known = new Set<string>(YesterdaysPeerMessage.options.map(({ shape }) => shape.type.value));

  it('WR30: a proof that names what it joins is read in November 2026, and the other way round', () => {
    const [old = ''] = signaling.flatMap(({ event, payload }) =>
      event === 'join' ? [(payload as unknown as Join).proof.body] : [],
    );
    expect(JoinProof.parse(JSON.parse(old))).toEqual(JSON.parse(old));
    const named = { ...JSON.parse(old), entry: '[2001:db8::1]:8080' };
    expect(JoinProof.parse(named)).toEqual(named);
    expect(YESTERDAYS_SIGNALING.proof.parse(named)).toEqual(JSON.parse(old));
    for (const entry of ['', 'x'.repeat(262), 7, null])
      expect(JoinProof.safeParse({ ...named, entry }).success).toBe(false);
  });

  it('SG51: a refusal that says whether it is final is read in November 2026', () => {
    const refusal = { code: 'mesh_busy', message: 'No room.', final: false };
    expect(JoinRefusal.parse(refusal)).toEqual(refusal);
    expect(YESTERDAYS_SIGNALING.refused.safeParse(refusal).success).toBe(true);
  });

  it('WR14: is read in November 2026, but for messages that need a capability', () => {
    const types = PeerMessage.def.options.flatMap(({ shape }) => shape.type.def.values);
    expect(types).toEqual(expect.arrayContaining([...known]));
    for (const [type, text] of Object.entries(golden)) {
      expect(YesterdaysPeerMessage.safeParse(JSON.parse(text)).success, type).toBe(known.has(type));
    }
    for (const code of MESH_ERROR_CODES) expect(YESTERDAYS_ERROR_CODES).toContain(WIRE_CODE_OF[code]);
  });
});

describe('what may be said tomorrow', () => {
  it('WR9: has samples of messages, announcements and signaling', () => {
    expect(readdirSync(join(AGES, 'tomorrow')).sort()).toEqual([
      'announcements.json',
      'peer-messages.json',
      'signaling.json',
    ]);
  });

  it.each(samples<{ about: string; sent: Json; read: Json }>('tomorrow', 'peer-messages'))(
    'WR9: $about is read as far as it is known',
    ({ sent, read }) => {
      expect(decode(JSON.stringify(sent))).toEqual(read);
    },
  );

  it.each(samples<{ about: string; sent: Json; read: Json; yesterday: boolean }>('tomorrow', 'announcements'))(
    'WR9: $about',
    ({ sent, read, yesterday }) => {
      expect(Announcement.parse(sent)).toEqual(read);
      expect(YesterdaysAnnouncement.safeParse(sent).success).toBe(yesterday);
    },
  );

  it.each(samples<{ event: SignalingEvent; sent: Json; read: Json }>('tomorrow', 'signaling'))(
    'WR9: the signaling event $event is read as far as it is known',
    ({ event, sent, read }) => {
      expect(SIGNALING[event].parse(sent)).toEqual(read);
    },
  );
});

describe('the codes by which peers tell why', () => {
  const error = (code: unknown) =>
    JSON.stringify({
      type: 'job-error',
      jobId: '00112233445566778899aabbccddeeff',
      code,
      message: 'No.',
      retryable: false,
    });

  it.each(['quota_exceeded', 'toString', '__proto__', 'x'.repeat(64)])('WR15: %s reads as the general one', (code) => {
    expect(decode(error(code))).toMatchObject({ type: 'job-error', code: 'engine_failed' });
  });

  it.each(['', 'x'.repeat(65), 7, null, undefined, {}])('WR15: %j is no code', (code) => {
    expect(() => decode(error(code))).toThrow(expect.objectContaining({ code: 'protocol_violation' }));
  });

  it('WR15: are ten, and what is of a peer’s own machine is none of them', () => {
    const told = new Set<string>(Object.values(WIRE_CODE_OF));
    expect(told.size).toBe(10);
    for (const own of ['port_in_use', 'home_not_writable', 'download_failed', 'checksum_mismatch', 'unauthorized']) {
      expect(told).not.toContain(own);
    }
  });
});
