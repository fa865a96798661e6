/** Where this browser keeps what was measured of its device. Storage may be blocked or full; then it lasts until the page closes. */
import type { SpeedStore } from '../engines/index.ts';

const KEY = 'tabmesh.device-speed';

export function createSpeedStore(storage: Pick<Storage, 'getItem' | 'setItem'> | undefined): SpeedStore {
  let written: string | undefined;
  return {
    read: () => storage?.getItem(KEY) ?? written,
    write(text) {
      written = text;
      try {
        storage?.setItem(KEY, text);
      } catch {
        // Full: it lasts as long as the page.
      }
    },
  };
}
