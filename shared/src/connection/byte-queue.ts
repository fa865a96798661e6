/**
 * Bytes in the order in which they came, copied. Small pieces share blocks, so that a million of them take little more
 * memory than their bytes.
 */
const BLOCK_BYTES = 4 * 1024;

export class ByteQueue {
  #blocks: Uint8Array[] = [];
  /** Of the last block. */
  #filledBytes = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    const last = this.#blocks.at(-1);
    const fitting = bytes.subarray(0, last === undefined ? 0 : last.length - this.#filledBytes);
    last?.set(fitting, this.#filledBytes);
    this.#filledBytes += fitting.length;
    const rest = bytes.subarray(fitting.length);
    if (rest.length === 0) return;
    const block = new Uint8Array(Math.max(BLOCK_BYTES, rest.length));
    block.set(rest);
    this.#blocks.push(block);
    this.#filledBytes = rest.length;
  }

  /** Undefined when there is nothing. */
  takeBlock(): Uint8Array | undefined {
    const block = this.#blocks.shift();
    if (block === undefined) return undefined;
    const taken = this.#blocks.length === 0 ? block.subarray(0, this.#filledBytes) : block;
    if (this.#blocks.length === 0) this.#filledBytes = 0;
    this.#bytes -= taken.length;
    return taken;
  }

  /** Fills the whole target, which must not be longer than what is there. */
  takeInto(target: Uint8Array): void {
    for (let offset = 0; offset < target.length; ) {
      const block = this.takeBlock();
      if (block === undefined) throw new RangeError(`There are ${offset} bytes, not ${target.length}.`);
      const wanted = block.subarray(0, target.length - offset);
      target.set(wanted, offset);
      offset += wanted.length;
      if (wanted.length < block.length) this.#putBack(block.subarray(wanted.length));
    }
  }

  clear(): void {
    this.#blocks = [];
    this.#filledBytes = 0;
    this.#bytes = 0;
  }

  #putBack(rest: Uint8Array): void {
    if (this.#blocks.length === 0) this.#filledBytes = rest.length;
    this.#blocks.unshift(rest);
    this.#bytes += rest.length;
  }
}
