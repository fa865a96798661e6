/** A tab whose visibility, battery and network a test changes, with the events that a browser would send. */
import type { BatteryPort, ConnectionPort, PagePort } from '../src/lend/lifecycle-page.ts';

class ScriptedBattery extends EventTarget implements BatteryPort {
  charging = true;
}

class ScriptedConnection extends EventTarget implements ConnectionPort {
  saveData = false;
  type = 'wifi';
}

class ScriptedDocument extends EventTarget {
  visibilityState: 'visible' | 'hidden' = 'visible';
}

export function createScriptedTab() {
  const document = new ScriptedDocument();
  const battery = new ScriptedBattery();
  const connection = new ScriptedConnection();
  const page: PagePort = { document, navigator: { getBattery: () => Promise.resolve(battery), connection } };
  return {
    page,
    unplug() {
      battery.charging = false;
      battery.dispatchEvent(new Event('chargingchange'));
    },
    plugIn() {
      battery.charging = true;
      battery.dispatchEvent(new Event('chargingchange'));
    },
    network(type: string, saveData = false) {
      connection.type = type;
      connection.saveData = saveData;
      connection.dispatchEvent(new Event('change'));
    },
    hide() {
      document.visibilityState = 'hidden';
      document.dispatchEvent(new Event('visibilitychange'));
    },
    show() {
      document.visibilityState = 'visible';
      document.dispatchEvent(new Event('visibilitychange'));
    },
    freeze: () => document.dispatchEvent(new Event('freeze')),
    resume: () => document.dispatchEvent(new Event('resume')),
  };
}
