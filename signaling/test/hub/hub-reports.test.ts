/** What members tell the entry of the answers that they got from each other. */
import { type AnswerReport, ModelId } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { PlausibleReports } from '../../src/hub/plausible-reports.ts';
import {
  type HubLimits,
  REPORTED_TOKENS_OF_ASKER,
  REPORTED_TOKENS_OF_NETWORK,
  REPORTS_AHEAD,
} from '../../src/limits/limits.ts';
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

  it('SG47: one that answered counts its answers itself, and reports far beyond that count for nothing', async () => {
    const { alice, socket, heard, settled } = await askAndServe({ reports: { perSecond: 1_000, burst: 1_000 } });

    for (let sent = 0; sent < 200; sent += 1) socket.emit('report', answered(alice));
    await settled();
    expect(heard).toHaveLength(REPORTS_AHEAD);
  });
});

describe('what members may write into the figures', () => {
  const measured = {
    ttftMs: 1,
    ttftP95Ms: 1,
    tokensPerSecond: 1,
    tokensPerSecondP95: 1,
    sampleCount: 1_000_000,
    ageMs: 0,
  };
  const served = { ...servedModel('mesh-tiny'), contextTokens: 10_000_000, measured };
  const report = (member: TestMember, completionTokens: number) =>
    ({
      servedBy: 'mesh',
      peerId: member.peerId,
      model: served.id,
      completionTokens,
      ttftMs: 1,
      tokensPerSecond: 1,
    }) as const;

  it('SG48: no more tokens than one reads, whatever a member says of itself', async () => {
    const clock = new ManualClock();
    const reports = new PlausibleReports(clock);
    const mallory = createMember();
    let tokens = 0;
    const write = (each: number) => {
      if (reports.take(mallory.peerId, 'there', report(mallory, each), served)) tokens += each;
    };
    write(10_000_000);
    for (let sent = 0; sent < 1_000; sent += 1) write(1_000);
    expect(tokens).toBe(REPORTED_TOKENS_OF_ASKER.burst);
    await clock.advance(10_000);
    for (let sent = 0; sent < 1_000; sent += 1) write(1_000);
    expect(tokens).toBe(REPORTED_TOKENS_OF_ASKER.burst + 10 * REPORTED_TOKENS_OF_ASKER.perSecond);
  });

  it('SG48: nor many keys of one network, and others count on', () => {
    const reports = new PlausibleReports(new ManualClock());
    let tokens = 0;
    for (let key = 0; key < 100; key += 1) {
      const mallory = createMember();
      if (reports.take(mallory.peerId, 'there', report(mallory, 40_000), served)) tokens += 40_000;
    }
    expect(tokens).toBe(REPORTED_TOKENS_OF_NETWORK.burst);
    const [alice, bob] = [createMember(), createMember()];
    expect(reports.take(alice.peerId, 'here', report(bob, 500), served)).toBe(true);
  });

  it('SG47: an hour later as many may be reported again', async () => {
    const clock = new ManualClock();
    const reports = new PlausibleReports(clock);
    const [alice, bob] = [createMember(), createMember()];
    const modest = { ...served, measured: { ...measured, sampleCount: 40 } };
    const count = () => {
      let counted = 0;
      for (let sent = 0; sent < 200; sent += 1) {
        if (reports.take(alice.peerId, 'here', report(bob, 1), modest)) counted += 1;
      }
      return counted;
    };
    expect(count()).toBe(40 + REPORTS_AHEAD);
    expect(count()).toBe(0);
    await clock.advance(3_600_001);
    expect(count()).toBe(40 + REPORTS_AHEAD);
  });
});
