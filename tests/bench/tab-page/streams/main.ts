/** The page half of the stream tests: one end of a link, either that of the contract or its host; results as plain data. */
import { createSimplePeerTransport, type PeerId, systemClock } from '@tabmesh/shared';
import {
  createStreamHost,
  openTestLink,
  streamContract,
  type TestLink,
  transportContract,
} from '@tabmesh/shared/testing';

const transport = createSimplePeerTransport();
let end: TestLink | undefined;

const functions = {
  /** One of two ends; the signals leave by `sendSignal`, which the test provides. */
  open(options: { initiator: boolean; self: PeerId; remote: PeerId }): void {
    end = openTestLink({
      ...options,
      transport,
      clock: systemClock,
      signal: (payload) => void globalThis.sendSignal?.(payload),
      ...(options.initiator ? {} : createStreamHost()),
    });
  },
  signal: (payload: string) => end?.link.signal(payload),
  async opened(): Promise<void> {
    await end?.opened;
  },
  close: () => end?.link.close('done'),
  /** Rejects when the case fails. */
  async streamCase(index: number): Promise<void> {
    const streamCase = streamContract[index];
    if (end === undefined || streamCase === undefined) throw new Error('There is no such case, or no link.');
    await streamCase.run({ link: end.link, heard: end.heard, settled: (promise) => promise });
  },
  /** Both ends in this page. */
  async transportCase(index: number): Promise<void> {
    const transportCase = transportContract[index];
    if (transportCase === undefined) throw new Error('There is no such case.');
    const { port1, port2 } = new MessageChannel();
    await transportCase.run({
      offerer: transport,
      answerer: transport,
      settle: () =>
        new Promise((resolve) => {
          port1.onmessage = () => resolve();
          port2.postMessage(undefined);
        }),
    });
    port1.close();
  },
};

export type StreamPage = typeof functions;

declare global {
  var streamPage: StreamPage | undefined;
  var sendSignal: ((payload: string) => Promise<void>) | undefined;
}
globalThis.streamPage = functions;
