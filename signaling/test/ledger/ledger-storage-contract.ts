/** What the ledger relies on, whichever database is behind it. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type CountKind,
  type CountRow,
  DAY_MS,
  HOUR_MS,
  type LedgerStorage,
  type Milestone,
} from '../../src/ledger/ledger-storage.ts';

const ALL: readonly CountKind[] = ['answers', 'tokens-served', 'tokens-asked', 'ttft', 'rate'];
/** Midnight, UTC. */
const TODAY_MS = 20_000 * DAY_MS;

/** `open` opens the same empty database again and again; `clean` comes after each case. */
export function ledgerStorageContract(
  name: string,
  { open, clean }: { open(): Promise<LedgerStorage>; clean(): Promise<void> },
): void {
  describe(`a ledger in ${name}`, () => {
    const opened: LedgerStorage[] = [];
    const openAnother = async () => {
      const storage = await open();
      opened.push(storage);
      return storage;
    };
    afterEach(async () => {
      for (const storage of opened.splice(0)) await storage.close();
      await clean();
    });

    it('LD1: adds what batches bring to what is there', async () => {
      const storage = await openAnother();

      await storage.write({ id: 'a', counts: [row({ n: 2 }), row({ detail: 'failed' })], milestones: [] });
      await storage.write({ id: 'b', counts: [row({ n: 3 }), row({ model: 'Qwen3-8B' })], milestones: [] });

      expect(await sorted(storage, 0, ALL)).toEqual([
        row({ detail: 'failed' }),
        row({ n: 5 }),
        row({ model: 'Qwen3-8B' }),
      ]);
    });

    it('LD2: a batch that is sent again counts once', async () => {
      const storage = await openAnother();
      const batch = { id: 'a', counts: [row({ n: 2 })], milestones: [] };

      await storage.write(batch);
      await storage.write(batch);

      expect(await storage.read(0, ALL)).toEqual([row({ n: 2 })]);
    });

    it('LD1: reads from a time on, and only the kinds that are asked for', async () => {
      const storage = await openAnother();
      const later = row({ startMs: TODAY_MS + HOUR_MS });
      const tokens = row({ startMs: TODAY_MS + HOUR_MS, kind: 'tokens-served', detail: 'A'.repeat(43), n: 400 });
      await storage.write({ id: 'a', counts: [row(), later, tokens], milestones: [] });

      expect(await storage.read(TODAY_MS + 1, ['answers'])).toEqual([later]);
      expect(await storage.read(TODAY_MS + HOUR_MS, ['tokens-served', 'rate'])).toEqual([tokens]);
      expect(await storage.read(TODAY_MS + 2 * HOUR_MS, ALL)).toEqual([]);
    });

    it('LD3: only the first milestone of a model is kept, and all come oldest first', async () => {
      const storage = await openAnother();
      const first = milestone('mesh-tiny', TODAY_MS + 5);
      const other = { ...milestone('Qwen3-8B', TODAY_MS), tokensPerSecond: null };

      await storage.write({ id: 'a', counts: [], milestones: [first] });
      await storage.write({ id: 'b', counts: [], milestones: [milestone('mesh-tiny', TODAY_MS + 9), other] });

      expect(await storage.milestones()).toEqual([other, first]);
    });

    it('LD20: forgotten milestones are gone, and the model may have a new one', async () => {
      const storage = await openAnother();
      const both = [milestone('mesh-tiny', TODAY_MS), milestone('other', TODAY_MS)];
      await storage.write({ id: 'a', counts: [], milestones: both });
      await storage.forgetMilestones(['mesh-tiny', 'unknown']);
      await storage.forgetMilestones([]);
      expect((await storage.milestones()).map(({ model }) => model)).toEqual(['other']);
      await storage.write({ id: 'b', counts: [], milestones: [milestone('mesh-tiny', TODAY_MS + 9)] });
      expect(await storage.milestones()).toHaveLength(2);
    });

    it('LD4: old hours roll up into their days, once, and young hours stay', async () => {
      const storage = await openAnother();
      const hours = [0, 1, 23, 24, 25].map((hour) => row({ startMs: TODAY_MS + hour * HOUR_MS, n: hour + 1 }));
      await storage.write({ id: 'a', counts: hours, milestones: [] });

      await storage.rollUp(TODAY_MS + DAY_MS);
      await storage.rollUp(TODAY_MS + DAY_MS);

      expect(await sorted(storage, 0, ALL)).toEqual([
        row({ n: 1 + 2 + 24 }),
        row({ startMs: TODAY_MS + 24 * HOUR_MS, n: 25 }),
        row({ startMs: TODAY_MS + 25 * HOUR_MS, n: 26 }),
      ]);
    });

    it('LD5: what was written is there after closing, which may be done twice', async () => {
      const before = await openAnother();
      await before.write({ id: 'a', counts: [row()], milestones: [milestone('mesh-tiny', TODAY_MS)] });
      await before.close();
      await before.close();

      const after = await openAnother();

      expect(await after.read(0, ALL)).toEqual([row()]);
      expect(await after.milestones()).toHaveLength(1);
    });

    it('LD6: two entries may write to one ledger', async () => {
      const alice = await openAnother();
      const bob = await openAnother();

      await Promise.all([
        alice.write({ id: 'a', counts: [row()], milestones: [] }),
        bob.write({ id: 'b', counts: [row()], milestones: [] }),
      ]);

      expect(await alice.read(0, ALL)).toEqual([row({ n: 2 })]);
    });
  });
}

async function sorted(storage: LedgerStorage, fromMs: number, kinds: readonly CountKind[]): Promise<CountRow[]> {
  const key = ({ startMs, model, detail }: CountRow) => `${startMs} ${model === 'Qwen3-8B' ? 2 : 1} ${detail}`;
  return (await storage.read(fromMs, kinds)).sort((a, b) => key(a).localeCompare(key(b)));
}

export function row(fields: Partial<CountRow> = {}): CountRow {
  return { startMs: TODAY_MS, kind: 'answers', model: 'mesh-tiny', detail: 'mesh', n: 1, ...fields };
}

function milestone(model: string, atMs: number): Milestone {
  return { model, atMs, peerId: 'A'.repeat(43), peerName: 'quiet-rowan', ttftMs: 80.5, tokensPerSecond: 40 };
}
