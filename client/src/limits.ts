/** A streaming answer is written at most this often. */
export const WRITE_INTERVAL_MS = 500;
