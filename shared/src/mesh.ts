/**
 * The story of one prompt: routing → connection → inference → measurement, wired here and nowhere else.
 */
import { catalogModel, DEFAULT_TEMPERATURE, defaultModel, tierOf } from './catalog/catalog.ts';
import { SLA_TARGETS } from './catalog/sla-targets.ts';
import { Links } from './connection/links.ts';
import { MeshError } from './errors.ts';
import { peerName } from './identity/peer-name.ts';
import { createLocalLine } from './inference/local-line.ts';
import { Provider } from './inference/provider.ts';
import { Requester } from './inference/requester.ts';
import { Measurements } from './measurement/measurements.ts';
import type { AnswerEvent, CompletionRequest, Mesh, MeshConnection, MeshOptions } from './mesh-interface.ts';
import { randomHexId } from './ports/random.ts';
import type { Announcement, ServedModel } from './protocol/announcement.ts';
import { JobId, type ModelId, type PeerId } from './protocol/ids.ts';
import { Announcer } from './roster/announcer.ts';
import { Roster } from './roster/roster.ts';
import { RecentKeys } from './routing/recent-keys.ts';
import { explain, type RouteCandidate, type RouteQuery, route } from './routing/route.ts';

/** Peers to keep links to, so that a prompt finds the line open and the round trip measured. */
const STANDING_LINKS = 8;
/** Peers that one job may be offered to before it is given up. */
const MOST_ATTEMPTS = 5;
/** Chat answers are about this long; the estimate only has to compare peers. */
const TYPICAL_ANSWER_TOKENS = 200;
/** A link to an unlinked peer, and its round trip, as long as neither is known. */
const CONNECT_GUESS_MS = 300;
const RTT_GUESS_MS = 50;
const CHANGE_DELAY_MS = 50;
/** Conversations whose peer, and models whose name, are remembered. */
const MOST_REMEMBERED = 1_000;

export function createMesh(options: MeshOptions): Mesh {
  const { identity, kind, clock, random, logger, signaling } = options;
  const self = identity.peerId;
  let connection: MeshConnection = { state: 'joining' };
  const listeners = new Set<() => void>();
  let cancelNotice: (() => void) | undefined;
  const measurements = new Measurements();
  const conversationPeers = new RecentKeys<string, PeerId>(MOST_REMEMBERED);
  const knownModels = new RecentKeys<string, true>(MOST_REMEMBERED);

  const roster = new Roster({
    self,
    clock,
    logger,
    onChange: handleRosterChange,
    onRemoved: (peerId) => {
      links.handlePeerRemoved(peerId);
      measurements.forget(peerId);
    },
  });
  const links = new Links({
    ...options,
    describe: (to, record) => signaling.describe(to, record),
    onOpen: notify,
    onMessage(link, message) {
      switch (message.type) {
        case 'job-start':
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
  const announcer = new Announcer({ ...options, models: servedModels, send: (record) => signaling.announce(record) });

  signaling.start({
    onChallenge: (nonce) => ({
      proof: identity.sign({ type: 'join-proof', peerId: self, nonce }),
      announcement: announcer.sign(),
    }),
    onWelcome(welcome) {
      connection = { state: 'online' };
      links.setIceServers(welcome.iceServers);
      roster.replace(welcome.roster);
      announcer.start();
    },
    onRefused({ code, message }) {
      connection = { state: 'refused', code, message };
      announcer.stop();
      notify();
    },
    onRoster: (delta) => roster.apply(delta),
    onDescription: (record) => links.handleDescription(record),
    onOffline(reason) {
      connection = { state: 'offline', reason };
      announcer.stop();
      notify();
    },
  });

  function servedModels(): ServedModel[] {
    return provider
      .services()
      .filter((service) => service.state === 'ready')
      .map(({ engine: { model }, inFlight, queued }) => ({
        id: model.id,
        classId: model.classId,
        family: model.family,
        backend: model.backend,
        contextTokens: model.contextTokens,
        slots: model.slots,
        sizeBytes: model.sizeBytes,
        features: [...model.features],
        inFlight,
        queued,
        measured: measurements.measured(self, model.id, clock.monotonicMs()),
      }));
  }

  /** This end first; draining peers are still there but serve nothing new. */
  function announcements(): Announcement[] {
    return [announcer.current(), ...roster.announcements()];
  }

  function handleRosterChange(): void {
    const serving = roster.announcements().filter((peer) => peer.state === 'ready' && peer.models.length > 0);
    for (const peer of serving) for (const model of peer.models) knownModels.set(model.id, true);
    if (kind !== 'native') {
      const bestRate = (peer: Announcement) =>
        Math.max(...peer.models.map((model) => model.measured?.tokensPerSecond ?? 0));
      const nearest = serving.sort((a, b) => bestRate(b) - bestRate(a)).slice(0, STANDING_LINKS);
      links.want(new Set(nearest.map((peer) => peer.peerId)));
    }
    notify();
  }

  function notify(): void {
    cancelNotice ??= clock.after(CHANGE_DELAY_MS, () => {
      cancelNotice = undefined;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          logger.error({ error }, 'A listener of the mesh failed.');
        }
      }
    });
  }

  function toCandidate(
    peer: Announcement,
    model: ServedModel,
    failed: ReadonlySet<PeerId>,
    prefixHolder: PeerId | undefined,
  ): RouteCandidate {
    const { peerId } = peer;
    const local = peerId === self;
    const link = local ? undefined : links.get(peerId);
    const own = measurements.measured(peerId, model.id, clock.monotonicMs());
    const measured = own ?? model.measured;
    return {
      peerId,
      local,
      draining: peer.state === 'draining',
      contextTokens: model.contextTokens,
      failed: failed.has(peerId),
      connectMs: local || link !== undefined ? 0 : CONNECT_GUESS_MS,
      rttMs: local ? 0 : (link?.rttMs ?? RTT_GUESS_MS),
      slots: model.slots,
      load: Math.max(model.inFlight + model.queued, requester.inFlight(peerId)),
      ttftMs: measured?.ttftMs ?? Number.NaN,
      tokensPerSecond: measured?.tokensPerSecond ?? Number.NaN,
      source: own !== null ? 'own' : measured !== null ? 'announced' : 'none',
      holdsPrefix: peerId === prefixHolder,
    };
  }

  function candidatesFor(modelId: ModelId, failed: ReadonlySet<PeerId>, prefixHolder: PeerId | undefined) {
    return announcements().flatMap((peer) => {
      const model = peer.models.find((served) => served.id === modelId);
      return model === undefined ? [] : [toCandidate(peer, model, failed, prefixHolder)];
    });
  }

  async function* complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const startedMs = clock.monotonicMs();
    const model = request.model ?? mesh.defaultModel();
    if (model === undefined) throw MeshError.noPeerWithModel('any model');
    const failed = new Set<PeerId>();
    let neededContext = 1;
    let lastError: MeshError | undefined;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const { conversationId } = request;
      const prefixHolder = conversationId === undefined ? undefined : conversationPeers.get(conversationId);
      const candidates = candidatesFor(model, failed, prefixHolder);
      const query: RouteQuery = {
        outputTokens: Math.min(request.maxTokens ?? TYPICAL_ANSWER_TOKENS, TYPICAL_ANSWER_TOKENS),
        contextTokens: neededContext,
        target: SLA_TARGETS[tierOf(model)],
        draws: [random.float(), random.float()],
      };
      const index = route(candidates, query);
      const chosen = candidates[index];
      if (chosen === undefined) break;
      const { peerId } = chosen;
      const jobId = JobId.parse(randomHexId(random));
      yield {
        type: 'route',
        jobId,
        peerId,
        model,
        get explanation() {
          return explain(candidates, query, index);
        },
      };
      let firstTokenMs: number | undefined;
      try {
        const line = chosen.local ? localLine : await links.connect(peerId, signal);
        const parameters = {
          messages: [...request.messages],
          maxTokens: request.maxTokens ?? chosen.contextTokens,
          temperature: request.temperature ?? catalogModel(model)?.temperature ?? DEFAULT_TEMPERATURE,
          topP: request.topP ?? 1,
          ...(request.seed === undefined ? {} : { seed: request.seed }),
          stop: [...(request.stop ?? [])],
        };
        for await (const event of requester.run(line, { jobId, model, parameters }, signal)) {
          if (event.type === 'tokens') {
            firstTokenMs ??= clock.monotonicMs();
            yield event;
            continue;
          }
          const { reason, usage, measurement } = event;
          if (measurement !== undefined) measurements.record(peerId, model, measurement, clock.monotonicMs());
          if (conversationId !== undefined) conversationPeers.set(conversationId, peerId);
          yield {
            type: 'end',
            reason,
            usage,
            ttftMs: (firstTokenMs ?? clock.monotonicMs()) - startedMs,
            tokensPerSecond: measurement?.tokensPerSecond ?? null,
          };
        }
        return;
      } catch (error) {
        if (signal.aborted) throw MeshError.cancelled();
        if (!MeshError.is(error) || firstTokenMs !== undefined) throw error;
        lastError = error;
        if (error.code === 'context_length_exceeded') neededContext = chosen.contextTokens + 1;
        else if (error.retryable) failed.add(peerId);
        else throw error;
        logger.info({ jobId, peer: peerName(peerId), code: error.code }, 'The job moves on to another peer.');
      }
    }
    throw failure(model, lastError);
  }

  function failure(model: ModelId, lastError: MeshError | undefined): MeshError {
    if (lastError === undefined) {
      const known = knownModels.get(model) !== undefined || catalogModel(model) !== undefined;
      return known ? MeshError.noPeerWithModel(model) : MeshError.modelNotFound(model);
    }
    if (lastError.code !== 'peer_busy') return lastError;
    return MeshError.meshBusy(Number(lastError.details.waitMs ?? 1_000));
  }

  const mesh: Mesh = {
    peerId: self,
    connection: () => connection,
    peers: () =>
      announcements().map((announcement) => {
        const { peerId } = announcement;
        const link = links.get(peerId);
        const own = peerId === self;
        return {
          peerId,
          name: peerName(peerId),
          announcement,
          linked: own || link !== undefined,
          rttMs: own ? 0 : (link?.rttMs ?? null),
        };
      }),
    models() {
      const models = new Map<ModelId, { id: ModelId; peers: PeerId[]; contextTokens: number }>();
      for (const peer of announcements()) {
        if (peer.state === 'draining') continue;
        for (const { id, contextTokens } of peer.models) {
          const entry = models.get(id) ?? { id, peers: [], contextTokens: 0 };
          models.set(id, entry);
          entry.peers.push(peer.peerId);
          entry.contextTokens = Math.max(entry.contextTokens, contextTokens);
        }
      }
      return [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    defaultModel: () => defaultModel(mesh.models().map(({ id, peers }) => ({ id, peerCount: peers.length }))),
    complete,
    addEngine: (engine) => provider.addEngine(engine),
    removeEngine: (engine, graceMs) => provider.removeEngine(engine, graceMs),
    serving: () => provider.totals(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      if (connection.state === 'closed') return;
      connection = { state: 'closed' };
      announcer.stop();
      signaling.close();
      links.close();
      roster.close();
      cancelNotice?.();
      listeners.clear();
    },
  };
  return mesh;
}
