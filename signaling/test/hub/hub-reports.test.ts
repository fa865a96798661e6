/** What members tell the entry of the answers that they got from each other. */
import { type AnswerReport, ModelId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import type { HubLimits } from '../../src/limits/limits.ts';
import { createMember, join, servedModel, type TestMember } from '../setup/member.ts';
import { collectRoster, startHub } from '../setup/start-hub.ts';

type Answered = Extract<AnswerReport, { servedBy: 'mesh' }>;

describe('reports of answers', () => {
  const answered = (member: TestMember, fields: Partial<Answered> = {}): AnswerReport => ({
    servedBy: 'mesh',
    peerId: member.peerId,
    model: ModelId.parse('mesh-tiny'),
    completionTokens: 12,
    ttftMs: 30,
    tokensPerSecond: 90,
    ...fields,
  });

  /** Alice serves `mesh-tiny` with a context of 1,024 tokens, bob asks. */
  async function askAndServe(limits: Partial<HubLimits> = {}) {
    const heard: (readonly [string, AnswerReport])[] = [];
    const { connect, warnings, hub } = await startHub({
      limits,
      onReport: (from, report) => heard.push([from, report]),
    });
    const [alice, bob] = [createMember(), createMember()];
    await join(connect(), alice, alice.announcement({ models: [servedModel('mesh-tiny')] }));
    const socket = connect();
    await join(socket, bob);
    /** Messages of one socket are read in order: once this came back, all before it were. */
    const settled = async () => {
      const seen = collectRoster(socket);
      const last = bob.announcement();
      socket.emit('announce', last);
      while ((await seen.upserted(bob.peerId)).signature !== last.signature);
    };
    return { alice, bob, socket, heard, warnings, hub, settled };
  }

  it('SG32: the entry hears of an answer that a member got, and of one that failed', async () => {
    const { alice, bob, socket, heard, settled } = await askAndServe();

    socket.emit('report', answered(alice));
    socket.emit('report', { servedBy: 'failed' });
    await settled();

    expect(heard).toEqual([
      [bob.peerId, answered(alice)],
      [bob.peerId, { servedBy: 'failed' }],
    ]);
  });

  it('SG33: a report of a peer that is not there, serves no such model or has no such context counts for nothing', async () => {
    const { alice, bob, socket, heard, warnings, settled } = await askAndServe();

    socket.emit('report', answered(createMember()));
    socket.emit('report', answered(bob));
    socket.emit('report', answered(alice, { model: ModelId.parse('made-up') }));
    socket.emit('report', answered(alice, { completionTokens: 1_025 }));
    await settled();

    expect(heard).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['a rate that no hardware reaches', { tokensPerSecond: 953_000 }],
    ['a negative time', { ttftMs: -1 }],
    ['half a token', { completionTokens: 0.5 }],
  ])('SG33: %s is dropped as a wrong message', async (_, fields) => {
    const { alice, socket, heard, warnings, settled } = await askAndServe();

    socket.emit('report', answered(alice, fields));
    await settled();

    expect(heard).toEqual([]);
    expect(warnings).toEqual(['A message was dropped.']);
  });

  it('SG34: reports past the limit are not counted, and their sender stays', async () => {
    const { alice, socket, heard, warnings, hub, settled } = await askAndServe({ reports: { perSecond: 1, burst: 3 } });

    for (let sent = 0; sent < 100; sent += 1) socket.emit('report', answered(alice));
    await settled();

    expect(heard).toHaveLength(3);
    expect(warnings).toEqual([]);
    expect(hub.memberCount()).toBe(2);
  });
});
