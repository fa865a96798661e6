/**
 * A native peer whose models another program runs. That program comes and goes on its own: a model whose server is gone
 * leaves the mesh at once, and comes back with the server.
 */
import { backoffMs, type Engine, MeshError, pause, systemClock, systemRandom } from '@tabmesh/shared';
import { SERVER_RETRIES } from '../limits.ts';
import { type NativePeer, openServing, type Serving, type ServingOptions } from '../peer/serving.ts';
import { connectHttpEngine, type HttpEngineKind } from './connect-http-engine.ts';

export interface HttpPeerOptions extends ServingOptions {
  readonly kind: HttpEngineKind;
  readonly url: string;
  readonly key: string | undefined;
  /** As the server names them. */
  readonly models: readonly string[];
  readonly slots: number;
  readonly contextTokens: number | undefined;
}

/** @throws MeshError of `connectHttpEngine`, or the entry's refusal. Nothing is left running then. */
export async function startHttpPeer(options: HttpPeerOptions, signal: AbortSignal): Promise<NativePeer> {
  const serving = openServing(options);
  const leaving = new AbortController();
  const stop = AbortSignal.any([signal, leaving.signal]);
  const peer: NativePeer = {
    mesh: serving.mesh,
    failed: serving.failed,
    close() {
      leaving.abort();
      return serving.close();
    },
  };
  try {
    for (const name of options.models) {
      const lost = await serveOne(serving, name, options, stop);
      void keepServing(serving, name, options, lost, stop);
    }
  } catch (error) {
    await peer.close();
    throw error;
  }
  return peer;
}

interface Lost {
  readonly engine: Engine;
  readonly error: Error;
}

/** Resolves once the model is served, with the promise of its loss. */
async function serveOne(
  serving: Serving,
  name: string,
  options: HttpPeerOptions,
  stop: AbortSignal,
): Promise<{ readonly whenLost: Promise<Lost> }> {
  const engine = await connectHttpEngine({ ...options, name, clock: systemClock }, stop);
  const whenLost = new Promise<Lost>((resolve) => {
    engine.onLost((error) => resolve({ engine, error }));
  });
  try {
    await serving.serve(engine, stop);
  } catch (error) {
    await serving.withdraw(engine);
    throw error;
  }
  return { whenLost };
}

/** Never rejects; ends with the peer. */
async function keepServing(
  serving: Serving,
  name: string,
  options: HttpPeerOptions,
  first: { readonly whenLost: Promise<Lost> },
  stop: AbortSignal,
): Promise<void> {
  const { logger } = options;
  let served = first;
  while (!stop.aborted) {
    const { engine, error } = await served.whenLost;
    logger.warn(
      { model: engine.model.id, error: error.message },
      "The model's server is gone; it is looked for again.",
    );
    await serving.withdraw(engine);
    const again = await untilServed(serving, name, options, stop);
    if (again === undefined) return;
    served = again;
  }
}

async function untilServed(serving: Serving, name: string, options: HttpPeerOptions, stop: AbortSignal) {
  for (let failures = 0; !stop.aborted; failures += 1) {
    await pause(systemClock, backoffMs(failures, systemRandom, SERVER_RETRIES), stop);
    if (stop.aborted) return undefined;
    try {
      return await serveOne(serving, name, options, stop);
    } catch (error) {
      options.logger.debug({ model: name, error: MeshError.is(error) ? error.message : error }, 'Not yet.');
    }
  }
  return undefined;
}
