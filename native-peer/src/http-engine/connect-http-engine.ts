/** From a server's address to an `Engine`: find the model, ask what it is, prove what it can. */
import { type Clock, type Engine, MeshError } from '@tabmesh/shared';
import { HttpEngine } from './http-engine.ts';
import { isUnreachable, ModelServer } from './model-server.ts';
import { ollamaProtocol } from './ollama-protocol.ts';
import { openAiProtocol } from './openai-protocol.ts';
import { probeFeatures } from './probe-features.ts';
import type { ModelAtServer } from './server-protocol.ts';

export type HttpEngineKind = 'openai' | 'ollama';

export interface HttpEngineOptions extends ModelAtServer {
  readonly kind: HttpEngineKind;
  readonly url: string;
  readonly key: string | undefined;
  readonly clock: Clock;
}

const PROTOCOLS = { openai: openAiProtocol, ollama: ollamaProtocol } as const;

/** @throws MeshError `model_not_found`, `engine_failed`, `cancelled` */
export async function connectHttpEngine(options: HttpEngineOptions, signal: AbortSignal): Promise<Engine> {
  const { kind, clock } = options;
  try {
    const protocol = await PROTOCOLS[kind](new ModelServer(options), options, signal);
    const features = await probeFeatures(protocol, signal);
    return new HttpEngine({ protocol, features, clock });
  } catch (error) {
    if (!isUnreachable(error) || !MeshError.is(error)) throw error;
    const sentence = `No server can be reached at ${options.url}. Start it, or correct the address.`;
    throw new MeshError('engine_failed', sentence, { retryable: true, cause: error });
  }
}
