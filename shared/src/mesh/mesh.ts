/**
 * The story of one prompt: routing → connection → inference → measurement, wired here and in the chooser, nowhere else.
 */
import { defaultModel } from '../catalog/catalog.ts';
import { Links } from '../connection/links.ts';
import { peerName } from '../identity/peer-name.ts';
import { logUnsampled } from '../jobs/job-outcome.ts';
import { MAX_REMEMBERED_MODELS, STANDING_LINKS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import { Measurements } from '../measurement/measurements.ts';
import { Announcer } from '../membership/announcer.ts';
import { Roster } from '../membership/roster.ts';
import { fastestServing, modelsServedBy, type ServingPeer, servingAmong } from '../membership/served-models.ts';
import type { Announcement, Baseline, ServedModel } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import { Provider } from '../providing/provider.ts';
import { type JobLine, Requester } from '../requesting/requester.ts';
import { createAsker } from './asker.ts';
import { createChooser } from './chooser.ts';
import { createLocalLine } from './local-line.ts';
import type { Mesh, MeshConnection, MeshOptions } from './mesh-interface.ts';

const CHANGE_DELAY_MS = 50;

export function createMesh(options: MeshOptions): Mesh {
  const { identity, kind, clock, random, logger, signaling } = options;
  const self = identity.peerId;
  let connection: MeshConnection = { state: 'joining' };
  const listeners = new Set<() => void>();
  let rosterChanged = false;
  let cancelNotice: (() => void) | undefined;
  /** Those who asked before the entry answered; they wait for its first word, whatever it is. */
  const waiting = new Set<() => void>();
  const measurements = new Measurements();
  /** Made once per peer: a name is a hash, and pages ask for all of them many times a second. */
  const names = new Map<PeerId, string>();
  const baselines = new Map<ModelId, { baseline: Baseline; atMs: number }>();
  const knownModels = new LruMap<string, true>(MAX_REMEMBERED_MODELS);

  const roster = new Roster({
    self,
    clock,
    logger,
    verify: options.verify,
    isLinked,
    onChange() {
      rosterChanged = true;
      notify();
    },
    onRemoved: (peerId) => {
      links.handlePeerRemoved(peerId);
      names.delete(peerId);
    },
  });
  const links = new Links({
    ...options,
    describe: (to, record) => signaling.describe(to, record),
    onOpen: notify,
    onMessage(link, message) {
      switch (message.type) {
        case 'job-start':
        case 'embed-start':
          return provider.handleStart(link, message);
        case 'job-cancel':
          return provider.handleCancel(link, message.jobId);
        default:
          return requester.handleReply(link.remote, message);
      }
    },
    onClose(link, error) {
      provider.handleSinkClosed(link);
      requester.handleLineClosed(link.remote, error?.message ?? 'it said goodbye');
      if (links.get(link.remote) === undefined) roster.handleLinkClosed(link.remote);
      notify();
    },
  });
  const provider = new Provider({
    clock,
    logger,
    onChange() {
      announcer.changed();
      notify();
    },
    onMeasured: (model, measurement) => measurements.record(self, model, measurement, clock.monotonicMs()),
  });
  const requester = new Requester({ clock });
  const localLine = createLocalLine({ self, provider, requester });
  const chooser = createChooser({
    clock,
    random,
    // Without an entry only open lines lead anywhere.
    reachable: (model) => serving(model).filter(({ peer }) => connection.state === 'online' || isLinked(peer.peerId)),
    isLocal: (peerId) => peerId === self,
    linkRttMs: (peerId) => links.get(peerId)?.rttMs,
    measured: (peerId, model, nowMs) => measurements.current(peerId, model, nowMs),
    inFlight: (peerId) => requester.inFlight(peerId),
  });
  const asker = createAsker({
    clock,
    random,
    requester,
    raceShare: options.raceShare,
    chooser,
    joined,
    serving,
    defaultModel: (isFit) => defaultAmong(announcements(), isFit),
    wasServed: (model) => knownModels.get(model) !== undefined,
    lineTo,
    onOutcome(peerId, job, outcome) {
      // A job that stayed at home has been counted by this end's own provider.
      if (peerId === self) return;
      if (outcome.sample !== null) measurements.record(peerId, job.model, outcome.sample, clock.monotonicMs());
      logUnsampled(logger, job, outcome);
    },
    report(ended) {
      // What the entry asked for itself its API counts.
      if (kind !== 'entry') signaling.report(ended);
    },
  });
  const announcer = new Announcer({
    ...options,
    state: () => (isDraining() ? 'draining' : 'ready'),
    models: servedModels,
    links: () => links.open(),
    send: (record) => signaling.announce(record),
  });

  signaling.start({
    onChallenge({ nonce, nowMs }) {
      announcer.setTime(nowMs);
      return { proof: identity.sign({ type: 'join-proof', peerId: self, nonce }), announcement: announcer.sign() };
    },
    onWelcome(welcome) {
      links.setIceServers(welcome.iceServers);
      roster.replace(welcome.roster);
      announcer.start();
      setConnection({ state: 'online' });
    },
    onRefused({ code, message }) {
      announcer.stop();
      setConnection({ state: 'refused', code, message });
    },
    onRoster: (delta) => roster.apply(delta),
    onDescription: (record) => links.handleDescription(record),
    onOffline(reason) {
      announcer.stop();
      setConnection({ state: 'offline', reason });
    },
  });

  function isLinked(peerId: PeerId): boolean {
    return peerId === self || links.get(peerId) !== undefined;
  }

  function setConnection(next: MeshConnection): void {
    connection = next;
    for (const release of waiting) release();
    waiting.clear();
    notify();
  }

  /** A prompt that is faster than the join waits for it. */
  async function joined(signal: AbortSignal): Promise<void> {
    if (connection.state !== 'joining' || signal.aborted) return;
    await new Promise<void>((resolve) => {
      waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Whoever drains all that it has is leaving, as others see it. */
  function isDraining(): boolean {
    const services = provider.services();
    return services.length > 0 && services.every(({ state }) => state === 'draining');
  }

  function servedModels(): ServedModel[] {
    return provider
      .services()
      .filter((service) => service.state === 'ready')
      .map(({ engine: { model }, inFlight, queued }) => ({
        id: model.id,
        classId: model.classId,
        family: model.family,
        backend: model.backend.slice(0, 120),
        contextTokens: model.contextTokens,
        slots: model.slots,
        sizeBytes: model.sizeBytes,
        features: [...model.features],
        inFlight,
        queued,
        measured: measurements.measured(self, model.id, clock.monotonicMs()),
        baseline: baselineOf(model.id),
      }));
  }

  function baselineOf(model: ModelId): Baseline | null {
    const known = baselines.get(model);
    return known === undefined
      ? null
      : { ...known.baseline, ageMs: known.baseline.ageMs + clock.monotonicMs() - known.atMs };
  }

  function nameOf(peerId: PeerId): string {
    const known = names.get(peerId) ?? peerName(peerId);
    names.set(peerId, known);
    return known;
  }

  /** This end first. */
  function announcements(): Announcement[] {
    return [announcer.current(), ...roster.announcements()];
  }

  /** The same of one model. */
  function serving(model: ModelId): readonly ServingPeer[] {
    const others = roster.serving(model);
    return provider.services().length === 0 ? others : [...servingAmong([announcer.current()], model), ...others];
  }

  function handleRosterChange(): void {
    for (const { id } of modelsServedBy(roster.announcements())) knownModels.set(id, true);
    if (kind !== 'native') links.want(new Set(fastestServing(roster.announcements(), STANDING_LINKS)));
  }

  function notify(): void {
    cancelNotice ??= clock.after(CHANGE_DELAY_MS, () => {
      cancelNotice = undefined;
      if (rosterChanged) handleRosterChange();
      rosterChanged = false;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          logger.error({ error }, 'A listener of the mesh failed.');
        }
      }
    });
  }

  async function lineTo(peerId: PeerId, signal: AbortSignal): Promise<JobLine> {
    return peerId === self ? localLine : links.connect(peerId, signal);
  }

  function defaultAmong(peers: readonly Announcement[], isFit: (served: ServedModel) => boolean): ModelId | undefined {
    const fitting = peers.map((peer) => ({ ...peer, models: peer.models.filter(isFit) }));
    return defaultModel(modelsServedBy(fitting).map(({ id, peers: { length } }) => ({ id, peerCount: length })));
  }

  const mesh: Mesh = {
    peerId: self,
    connection: () => connection,
    peers: () =>
      announcements().map((announcement) => {
        const { peerId } = announcement;
        const rttMs = peerId === self ? 0 : (links.get(peerId)?.rttMs ?? null);
        return { peerId, name: nameOf(peerId), announcement, linked: isLinked(peerId), rttMs };
      }),
    models: () => modelsServedBy(announcements()),
    defaultModel: () => defaultAmong(announcements(), () => true),
    complete: asker.complete,
    embed: asker.embed,
    addEngine: (engine) => provider.addEngine(engine),
    removeEngine: (engine, graceMs) => provider.removeEngine(engine, graceMs),
    announceNow: () => announcer.flush(),
    measurementsOf(model) {
      const nowMs = clock.monotonicMs();
      return serving(model)
        .filter(({ peer }) => peer.state !== 'draining')
        .map(({ peer: { peerId }, served }) => ({
          peerId,
          measured: measurements.measured(peerId, model, nowMs) ?? served.measured,
        }));
    },
    setBaseline(model, baseline) {
      if (baseline === null) baselines.delete(model);
      else baselines.set(model, { baseline, atMs: clock.monotonicMs() });
      announcer.changed();
      notify();
    },
    serving: () => provider.totals(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      if (connection.state === 'closed') return;
      setConnection({ state: 'closed' });
      announcer.stop();
      signaling.close();
      const linksClosed = links.close();
      localLine.close();
      roster.close();
      cancelNotice?.();
      listeners.clear();
      await linksClosed;
    },
  };
  return mesh;
}
