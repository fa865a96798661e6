/**
 * The story of one prompt, wired: entries and roster tell who is there, the chooser routes, links reach the peer, the
 * requester asks it and the provider answers, and what was measured makes the next choice better. The folder `mesh` is the
 * only one that brings the others together.
 */
import { Links } from '../connection/links.ts';
import { logUnsampled } from '../jobs/job-outcome.ts';
import { STANDING_LINKS } from '../limits.ts';
import { Measurements } from '../measurement/measurements.ts';
import { Announcer } from '../membership/announcer.ts';
import { Roster } from '../membership/roster.ts';
import { fastestServing } from '../membership/served-models.ts';
import { CAPABILITIES, wayCapability } from '../protocol/capabilities.ts';
import type { PeerId } from '../protocol/ids.ts';
import { Provider } from '../providing/provider.ts';
import { Requester } from '../requesting/requester.ts';
import { createAsker } from './asker.ts';
import { ChangeNotices } from './change-notices.ts';
import { createChooser } from './chooser.ts';
import { EntrySessions } from './entry-sessions.ts';
import { createLocalLine } from './local-line.ts';
import type { Mesh, MeshOptions } from './mesh-interface.ts';
import { Offers } from './offers.ts';
import { OwnServices } from './own-services.ts';
import { PeerViews } from './peer-views.ts';

export function createMesh(options: MeshOptions): Mesh {
  const { identity, kind, clock, random, logger, transports } = options;
  const self = identity.peerId;
  const capabilities = [...CAPABILITIES, ...transports.slice(1).map(({ way }) => wayCapability(way))];
  const notices = new ChangeNotices({ clock, logger });
  const measurements = new Measurements();
  let rosterChanged = false;

  // Who is there: entries bring announcements, the roster keeps them as long as one of its sources vouches for them.

  const roster = new Roster({
    self,
    clock,
    logger,
    verify: options.verify,
    isLinked,
    onChange() {
      rosterChanged = true;
      notices.notify();
    },
    onRemoved(peerId) {
      links.handlePeerRemoved(peerId);
      requester.handlePeerDoubted(peerId);
    },
  });
  const entries = new EntrySessions({
    clock,
    identity,
    signaling: options.signaling,
    sign: (issuedAtMs) => announcer.sign(issuedAtMs),
    isKnownTo: (source, peerId) => roster.someSource(peerId, (known) => known === source),
    onWelcome(source, welcome) {
      links.setIceServers(welcome.iceServers, source);
      roster.replace(source, welcome.roster);
    },
    onRoster: (source, delta) => roster.apply(source, delta),
    onDescription: (source, record) => links.handleDescription(record, source),
    onChange() {
      if (entries.connection().state === 'online') announcer.start();
      else announcer.stop();
      notices.notify();
    },
  });

  // How they are reached: links carry jobs to them and theirs to this end.

  const links: Links = new Links({
    ...options,
    hasWay: (peerId, way) => roster.get(peerId)?.capabilities?.includes(wayCapability(way)) ?? false,
    sourcesOf: (peerId) => entries.sourcesOf(peerId),
    describe: (to, record, source) => entries.describe(to, record, source),
    onOpen: () => notices.notify(),
    onThere: (peerId) => requester.handlePeerThere(peerId),
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
      notices.notify();
    },
    isInUse: (link) => provider.hasJobsOf(link) || requester.inFlight(link.remote) > 0,
  });

  // What this end serves, and says of it.

  const provider = new Provider({
    clock,
    logger,
    onChange: handleServicesChange,
    onMeasured: (model, measurement) => measurements.record(self, model, measurement, clock.monotonicMs()),
  });
  const services = new OwnServices({ self, clock, provider, measurements });
  const announcer = new Announcer({
    ...options,
    state: () => services.state(),
    models: () => services.models(),
    links: () => links.open(),
    capabilities: () => capabilities,
    send: () => entries.announce(),
  });
  const offers = new Offers({ announcer, roster, servesAnything: () => provider.services().length > 0 });

  // What this end asks: the chooser names a peer, the requester asks it, the outcome is measured.

  const requester = new Requester({ clock });
  const localLine = createLocalLine({ self, provider, requester });
  const chooser = createChooser({
    clock,
    random,
    reachable: (model) => offers.serving(model).filter(({ peer }) => isReachable(peer.peerId)),
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
    joined: (signal) => entries.joined(signal),
    serving: (model) => offers.serving(model),
    defaultModel: (isFit) => offers.defaultModel(isFit),
    wasServed: (model) => offers.wasServed(model),
    connection: () => entries.connection(),
    isLinked,
    lineTo: async (peerId, signal) => (peerId === self ? localLine : links.connect(peerId, signal)),
    onOutcome(peerId, job, outcome) {
      // A job that stayed at home has been counted by this end's own provider.
      if (peerId === self) return;
      if (outcome.sample !== null) measurements.record(peerId, job.model, outcome.sample, clock.monotonicMs());
      logUnsampled(logger, job, outcome);
    },
    report(ended) {
      // What an entry asked for itself its API counts.
      if (kind !== 'entry') entries.report(ended);
    },
  });

  const views = new PeerViews({
    self,
    clock,
    offers,
    links,
    measurements,
    isEntry: (peerId) => entries.isEntry(peerId),
  });
  notices.subscribe(handleRosterChange);
  entries.start();

  function isLinked(peerId: PeerId): boolean {
    return peerId === self || links.get(peerId) !== undefined;
  }

  /** Without an entry that knows both ends only open links lead anywhere. */
  function isReachable(peerId: PeerId): boolean {
    return isLinked(peerId) || roster.someSource(peerId, (source) => entries.isOnline(source));
  }

  function handleServicesChange(): void {
    announcer.changed();
    notices.notify();
  }

  function handleRosterChange(): void {
    if (!rosterChanged) return;
    rosterChanged = false;
    offers.remember();
    // Pages and entries keep the fastest peers at hand; native peers wait to be asked.
    if (kind !== 'native') links.want(new Set(fastestServing(roster.announcements(), STANDING_LINKS)));
  }

  return {
    peerId: self,
    connection: () => entries.connection(),
    peers: () => views.peers(),
    models: () => offers.models(),
    defaultModel: () => offers.defaultModel(),
    complete: asker.complete,
    embed: asker.embed,
    addEngine: (engine) => provider.addEngine(engine),
    removeEngine: (engine, graceMs) => provider.removeEngine(engine, graceMs),
    announceNow: () => announcer.flush(),
    measurementsOf: (model) => views.measurementsOf(model),
    setBaseline(model, baseline) {
      services.setBaseline(model, baseline);
      handleServicesChange();
    },
    serving: () => provider.totals(),
    onChange: (listener) => notices.subscribe(listener),
    async close() {
      if (entries.connection().state === 'closed') return;
      announcer.stop();
      entries.close();
      const linksClosed = links.close();
      localLine.close();
      roster.close();
      notices.close();
      await linksClosed;
    },
  };
}
