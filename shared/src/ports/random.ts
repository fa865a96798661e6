/** Randomness, as the core asks for it. Ids and keys need `bytes` to be cryptographic in the real adapter. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
}

/** 32 hex digits, the form of job and session ids. */
export function randomHexId(random: Random): string {
  let hex = '';
  for (const byte of random.bytes(16)) hex += byte.toString(16).padStart(2, '0');
  return hex;
}
