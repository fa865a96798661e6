import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from './byte-queue.ts';

describe('a queue of bytes', () => {
  it('SM25: gives out what came in, in order and whatever the pieces', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 6_000 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 9_000 }) }),
      fc.constant({ block: true as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let [pushed, taken] = [0, 0];
        const expectNext = (bytes: Uint8Array) => {
          for (const byte of bytes) if (byte !== taken++ % 251) throw new Error(`Byte ${taken - 1} is wrong.`);
        };
        for (const one of steps) {
          if ('push' in one) {
            const reused = Uint8Array.from({ length: one.push }, () => pushed++ % 251);
            queue.push(reused);
            reused.fill(255);
          } else if ('take' in one) {
            const target = new Uint8Array(Math.min(one.take, queue.bytes));
            queue.takeInto(target);
            expectNext(target);
          } else expectNext(queue.takeBlock() ?? new Uint8Array());
          expect(queue.bytes).toBe(pushed - taken);
        }
      }),
    );
  });

  it('SM25: keeps pieces of one byte in shared blocks', () => {
    const queue = new ByteQueue();
    for (let index = 0; index < 65_536; index += 1) queue.push(Uint8Array.of(index));
    let blocks = 0;
    while (queue.takeBlock() !== undefined) blocks += 1;
    expect(blocks).toBe(16);
  });
});
