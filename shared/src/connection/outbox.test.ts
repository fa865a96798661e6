/** What waits to be sent, over a channel that a test drains by hand. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CHANNEL_LOW_WATER_BYTES, MAX_FRAME_BYTES, MAX_OUTBOX_BYTES, UNREAD_TIMEOUT_MS } from '../limits.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Outbox } from './outbox.ts';

/** Of 32 frames, all of them full. */
const message = new Uint8Array(32 * (MAX_FRAME_BYTES - 1));

let clock: ManualClock;
let outbox: Outbox;
let buffered: number[];
let takenBytes: number;
let failures: Error[];

const bufferedBytes = () => buffered.reduce((sum, bytes) => sum + bytes, 0);

/** The other end takes frames until little is left. */
function drain(): void {
  while (bufferedBytes() > CHANNEL_LOW_WATER_BYTES) takenBytes += buffered.shift() ?? 0;
  outbox.handleDrain();
}

beforeEach(() => {
  clock = new ManualClock();
  buffered = [];
  takenBytes = 0;
  failures = [];
  outbox = new Outbox({
    channel: { signal() {}, send: (frame) => buffered.push(frame.length), bufferedBytes, close() {} },
    clock,
    onRoom() {},
    onFailure: (error) => failures.push(error),
  });
  for (let sent = 0; sent < 7; sent += 1) outbox.write(message);
});

describe('what waits to be sent', () => {
  it('LK13: goes on as long as the other end takes something, though the buffer looks the same each time', async () => {
    const looks = new Set<number>();
    for (let quarter = 0; quarter < 20; quarter += 1) {
      await clock.advance(UNREAD_TIMEOUT_MS / 4);
      looks.add(bufferedBytes());
      drain();
    }
    expect(looks.size).toBe(1);
    expect(takenBytes).toBeGreaterThan(20 * CHANNEL_LOW_WATER_BYTES);
    expect(failures).toEqual([]);
  });

  it('LK13: is given up when the other end takes nothing, and before it is too much', async () => {
    await clock.advance(UNREAD_TIMEOUT_MS * 1.5);
    expect(failures).toMatchObject([{ code: 'connection_failed' }]);
    failures = [];
    while (failures.length === 0) outbox.write(message);
    expect(bufferedBytes()).toBeLessThan(MAX_OUTBOX_BYTES);
    outbox.close();
    expect(clock.pendingTimers()).toBe(0);
  });
});
