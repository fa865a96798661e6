/** One engine per browser profile, however many tabs are open: two would only fight for the same GPU and memory. */

const LOCK_NAME = 'tabmesh-engine';

/**
 * Returns the release, or undefined while another tab lends. The browser releases it when the tab goes. Without Web Locks
 * (a page that is not on https:// or localhost) other tabs can't be seen, and the lock is granted.
 */
export function claimEngineLock(): Promise<(() => void) | undefined> {
  if (!('locks' in navigator)) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(LOCK_NAME, { ifAvailable: true }, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    });
    held.catch(reject);
  });
}
