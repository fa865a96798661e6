/**
 * The story of one prompt: routing → connection → inference → measurement, wired here and nowhere else.
 */
import { catalogModel, DEFAULT_TEMPERATURE, defaultModel, tierOf } from './catalog/catalog.ts';
import { SLA_TARGETS } from './catalog/sla-targets.ts';
import { Links } from './connection/links.ts';
import { MeshError } from './errors.ts';
import { peerName } from './identity/peer-name.ts';
import { type AnswerNeeds, type Assignment, answer } from './inference/answer.ts';
import { createLocalLine } from './inference/local-line.ts';
import { Provider } from './inference/provider.ts';
import { RecentKeys } from './inference/recent-keys.ts';
import { Requester } from './inference/requester.ts';
import { Measurements } from './measurement/measurements.ts';
import type { AnswerEvent, CompletionRequest, Mesh, MeshConnection, MeshOptions } from './mesh-interface.ts';
import { randomHexId } from './ports/random.ts';
import type { Announcement, ServedModel } from './protocol/announcement.ts';
import { JobId, type ModelId, type PeerId } from './protocol/ids.ts';
import { Announcer } from './roster/announcer.ts';
import { Roster } from './roster/roster.ts';
import { fastestServing, modelsServedBy } from './roster/served-models.ts';
import { toCandidate } from './routing/candidate.ts';
import { explain, type RouteQuery, route } from './routing/route.ts';

type RouteEvent = Extract<AnswerEvent, { type: 'route' }>;

/** Peers to keep links to, so that a prompt finds the line open and the round trip measured. */
const STANDING_LINKS = 8;
/** Chat answers are about this long; the estimate only has to compare peers. */
const TYPICAL_ANSWER_TOKENS = 200;
const CHANGE_DELAY_MS = 50;
/** Conversations whose peer, and models whose name, are remembered. */
const MOST_REMEMBERED = 1_000;

export function createMesh(options: MeshOptions): Mesh {
  const { identity, kind, clock, random, logger, signaling } = options;
  const self = identity.peerId;
  let connection: MeshConnection = { state: 'joining' };
  const listeners = new Set<() => void>();
  let cancelNotice: (() => void) | undefined;
  /** Those who asked before the entry answered; they wait for its first word, whatever it is. */
  const waiting = new Set<() => void>();
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
  const announcer = new Announcer({
    ...options,
    models: servedModels,
    send: (record) => signaling.announce(record),
  });

  signaling.start({
    onChallenge: (nonce) => ({
      proof: identity.sign({ type: 'join-proof', peerId: self, nonce }),
      announcement: announcer.sign(),
    }),
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

  /** This end first. */
  function announcements(): Announcement[] {
    return [announcer.current(), ...roster.announcements()];
  }

  function handleRosterChange(): void {
    for (const { id } of modelsServedBy(roster.announcements())) knownModels.set(id, true);
    if (kind !== 'native') links.want(new Set(fastestServing(roster.announcements(), STANDING_LINKS)));
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

  function candidatesFor(model: ModelId, failed: ReadonlySet<PeerId>, prefixHolder: PeerId | undefined) {
    const nowMs = clock.monotonicMs();
    return announcements().flatMap((peer) => {
      const served = peer.models.find((offered) => offered.id === model);
      if (served === undefined) return [];
      const { peerId } = peer;
      return toCandidate(peer, served, {
        local: peerId === self,
        linkRttMs: links.get(peerId)?.rttMs,
        ownMeasured: measurements.measured(peerId, model, nowMs),
        inFlight: requester.inFlight(peerId),
        failed: failed.has(peerId),
        holdsPrefix: peerId === prefixHolder,
      });
    });
  }

  /** The router's choice among the peers that are left, and the job as that peer will get it. */
  function assign(request: CompletionRequest, model: ModelId, needs: AnswerNeeds): Assignment<RouteEvent> | undefined {
    const prefixHolder = request.conversationId && conversationPeers.get(request.conversationId);
    const candidates = candidatesFor(model, needs.failed, prefixHolder || undefined);
    const query: RouteQuery = {
      outputTokens: Math.min(request.maxTokens ?? TYPICAL_ANSWER_TOKENS, TYPICAL_ANSWER_TOKENS),
      contextTokens: needs.contextTokens,
      target: SLA_TARGETS[tierOf(model)],
      draws: [random.float(), random.float()],
    };
    const index = route(candidates, query);
    const chosen = candidates[index];
    if (chosen === undefined) return undefined;
    const { peerId, contextTokens } = chosen;
    const jobId = JobId.parse(randomHexId(random));
    return {
      jobId,
      peerId,
      contextTokens,
      parameters: {
        messages: [...request.messages],
        maxTokens: request.maxTokens ?? contextTokens,
        temperature: request.temperature ?? catalogModel(model)?.temperature ?? DEFAULT_TEMPERATURE,
        topP: request.topP ?? 1,
        ...(request.seed === undefined ? {} : { seed: request.seed }),
        stop: [...(request.stop ?? [])],
      },
      route: {
        type: 'route',
        jobId,
        peerId,
        model,
        get explanation() {
          return explain(candidates, query, index);
        },
      },
    };
  }

  async function* complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    await joined(signal);
    const model = request.model ?? mesh.defaultModel();
    if (model === undefined) throw MeshError.nothingServed();
    yield* answer<RouteEvent>(
      {
        clock,
        requester,
        model,
        assign: (needs) => assign(request, model, needs),
        lineTo: async (peerId, aborted) => (peerId === self ? localLine : links.connect(peerId, aborted)),
        onMeasured(peerId, measurement) {
          measurements.record(peerId, model, measurement, clock.monotonicMs());
          if (request.conversationId !== undefined) conversationPeers.set(request.conversationId, peerId);
        },
        failure: (lastError) => failureOf(model, lastError),
      },
      signal,
    );
  }

  function failureOf(model: ModelId, lastError: MeshError | undefined): MeshError {
    if (lastError?.code === 'peer_busy') return MeshError.meshBusy(Number(lastError.details.waitMs ?? 1_000));
    if (lastError !== undefined) return lastError;
    const known = knownModels.get(model) !== undefined || catalogModel(model) !== undefined;
    return known ? MeshError.noPeerWithModel(model) : MeshError.modelNotFound(model);
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
    models: () => modelsServedBy(announcements()),
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
      setConnection({ state: 'closed' });
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
