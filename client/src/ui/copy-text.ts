/** For how long a button tells that it has copied. */
export const COPIED_SHOWN_MS = 2_000;

/** False where the browser forbids it: pages that are not secure have no clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
