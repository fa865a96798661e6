/** Hashes a file of any size away from the page's thread: WebCrypto would need all of it in memory at once. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { HASH_REPORT_INTERVAL_BYTES } from '../../limits.ts';

export type HashReport =
  | { readonly type: 'progress'; readonly hashedBytes: number }
  | { readonly type: 'done'; readonly sha256: string }
  | { readonly type: 'failed'; readonly reason: string };

addEventListener('message', (event: MessageEvent<Blob>) => {
  hash(event.data).catch((error: unknown) => post({ type: 'failed', reason: String(error) }));
});

async function hash(file: Blob): Promise<void> {
  const digest = sha256.create();
  const reader = file.stream().getReader();
  let hashedBytes = 0;
  let reportedBytes = 0;
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    digest.update(chunk.value);
    hashedBytes += chunk.value.length;
    if (hashedBytes - reportedBytes < HASH_REPORT_INTERVAL_BYTES) continue;
    reportedBytes = hashedBytes;
    post({ type: 'progress', hashedBytes });
  }
  post({ type: 'done', sha256: bytesToHex(digest.digest()) });
}

function post(report: HashReport): void {
  postMessage(report);
}
