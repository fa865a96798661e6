/**
 * The ports of a member of tomorrow, by what this version can foresee: fields, capabilities, names and messages that
 * nobody knows yet. It uses what the other end has not announced with nobody, but takes the handshake's `capabilities` for
 * the word of an end that skips what it does not know.
 */
import type { Identity } from '../identity/identity.ts';
import type { Signaling } from '../ports/signaling.ts';
import type { Channel, Transport, TransportHandlers, Transports } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { YesterdaysFrameReader, yesterdaysFrames } from './yesterdays-wire.ts';

type Json = Record<string, unknown>;

export interface TomorrowsOptions {
  /**
   * Uses names that no list of today has for its kind, its models' families and their features. Members of yesterday
   * refuse such a record, so whoever wants to be found by all waits with that until they are gone.
   */
  readonly bold?: boolean;
}

/** What it says that it can do: most of it is no name, and the first is a lie. */
export const TOMORROWS_CAPABILITIES: readonly unknown[] = [
  'streams',
  'teleport',
  7,
  '',
  'x'.repeat(100),
  { name: 'streams' },
  null,
  ...Array.from({ length: 200 }, (_, index) => `capability-${index}`),
];

export function asTomorrow(
  identity: Identity,
  { transports, signaling }: { readonly transports: Transports; readonly signaling: readonly Signaling[] },
  { bold = false }: TomorrowsOptions = {},
): { readonly transports: Transports; readonly signaling: readonly Signaling[] } {
  const announced = (record: SignedRecord) =>
    identity.sign(tomorrowsAnnouncement(JSON.parse(record.body) as Json & { models: Json[] }, bold));
  const future = (record: SignedRecord) => identity.sign(withMore(JSON.parse(record.body) as Json));
  const tomorrows = (transport: Transport): Transport => ({
    ...transport,
    open: (options, handlers) => tomorrowsChannel((inner) => transport.open(options, inner), handlers),
  });
  const [first, ...others] = transports;
  return {
    transports: [tomorrows(first), ...others.map(tomorrows)],
    signaling: signaling.map((entry) => ({
      ...entry,
      start: (handlers) =>
        entry.start({
          ...handlers,
          onChallenge(challenge, entry) {
            const { proof, announcement } = handlers.onChallenge(challenge, entry);
            return { proof: future(proof), announcement: announced(announcement) };
          },
        }),
      announce: (record) => entry.announce(announced(record)),
      describe: (to, record) => entry.describe(to, future(record)),
    })),
  };
}

export function tomorrowsAnnouncement(truth: Json & { models: Json[] }, bold: boolean): Json {
  const served = truth.models.map((model) => ({
    ...(withMore(model) as Json),
    ...(bold
      ? { family: 'photonic.rs', features: [...(model.features as string[]), 'video', 'thought', 'tools-2'] }
      : {}),
  }));
  return {
    ...(withMore(truth) as Json),
    capabilities: tomorrowsCapabilities(truth),
    models: bold ? [{ id: 'of-another-form', shards: [1, 2] }, ...served, 'a-name-alone'] : served,
    ...(bold ? { kind: 'satellite' } : {}),
  };
}

function tomorrowsChannel(open: (handlers: TransportHandlers) => Channel, handlers: TransportHandlers): Channel {
  const heard = new YesterdaysFrameReader();
  const said = new YesterdaysFrameReader();
  let skipsUnknown = false;
  const channel = open({
    ...handlers,
    onMessage(frame) {
      const message = isMessage(frame) ? (heard.push(frame) as Json | undefined) : undefined;
      if (message?.type === 'hello') skipsUnknown = Array.isArray(message.capabilities);
      handlers.onMessage(frame);
    },
  });
  const write = (message: unknown) => {
    for (const frame of yesterdaysFrames(message)) channel.send(frame);
  };
  return {
    ...channel,
    send(frame) {
      if (!isMessage(frame)) return channel.send(frame);
      const message = said.push(frame) as Json | undefined;
      if (message === undefined) return;
      if (message.type === 'hello') {
        write({ ...(withMore(message) as Json), capabilities: tomorrowsCapabilities(message) });
      } else if (skipsUnknown) {
        write({ type: 'weather-report', jobId: message.jobId, sky: ['clear'] });
        write(withNewNames(withMore(message) as Json));
        write({ type: `after-${String(message.type)}` });
      } else write(withMore(message));
    },
  };
}

/** What this version can do, tomorrow's can as well; its own names come behind. */
function tomorrowsCapabilities({ capabilities }: Json): readonly unknown[] {
  return [...((capabilities as unknown[] | undefined) ?? []), ...TOMORROWS_CAPABILITIES];
}

/** Names that the lists of today don't have. */
function withNewNames(message: Json): Json {
  if (message.type === 'job-end') return { ...message, reason: 'enlightened' };
  if (message.type === 'job-error' && message.code === 'engine_failed') return { ...message, code: 'engine_melted' };
  return message;
}

/** The same with fields that nobody knows, in every object of it; what lists and JSON schemas hold stays. */
function withMore(value: unknown): object {
  const fields = Object.entries(value as Json).map(([name, field]) => [
    name,
    typeof field === 'object' && field !== null && !Array.isArray(field) && !FREE.has(name) ? withMore(field) : field,
  ]);
  return { ...Object.fromEntries(fields), __future__: { of: ['tomorrow'] }, toString: 1 };
}

/** Whose keys are the asker's own. */
const FREE: ReadonlySet<string> = new Set(['schema', 'logitBias']);

/** Or a piece of one; frames of anything else go through as they are. */
function isMessage([flag]: Uint8Array): boolean {
  return flag === 0 || flag === 1;
}
