/**
 * What an engine yields, checked before it is sent: the other end takes a message that is none for a peer that has gone mad,
 * and whoever wrote the engine would read of a lost peer instead of a missing field.
 */
import { z } from 'zod/mini';
import { MeshError } from '../errors.ts';
import type { EngineEvent, TokensEvent } from '../ports/engine.ts';
import { JobEnd, Usage } from '../protocol/messages.ts';

/** Narrower than the wire, which lets a newer peer's reason pass: an engine of this version gives one of these. */
const End = z.object({
  type: z.literal('end'),
  reason: z.enum(['stop', 'length']),
  usage: Usage,
  stopText: JobEnd.shape.stopText,
});

/** @throws MeshError `engine_failed`, which names the field */
export function checkEngineEvent(event: EngineEvent): void {
  // An end comes once per answer; tokens come by the hundred a second and get by without a schema.
  if (typeof event === 'object' && event?.type === 'tokens') checkTokens(event);
  else checkEnd(event);
}

function checkEnd(event: unknown): void {
  const [issue] = End.safeParse(event).error?.issues ?? [];
  if (issue === undefined) return;
  if (issue.path.length > 0 && issue.path[0] !== 'type') {
    throw wrong(`an end with a wrong '${issue.path.join('.')}'`, issue.message);
  }
  throw wrong('what is neither tokens nor an end', JSON.stringify(event)?.slice(0, 100) ?? 'nothing');
}

function checkTokens(event: { readonly [Field in keyof TokensEvent]?: unknown }): void {
  const { text, tokenCount, thought, written } = event;
  if (typeof text !== 'string') throw wrong("tokens with a wrong 'text'", `expected string, received ${typeof text}`);
  if (!Number.isSafeInteger(tokenCount) || (tokenCount as number) < 0) {
    throw wrong("tokens with a wrong 'tokenCount'", `expected a count, received ${String(tokenCount)}`);
  }
  if (thought !== undefined && typeof thought !== 'boolean') {
    throw wrong("tokens with a wrong 'thought'", `expected true or nothing, received ${String(thought)}`);
  }
  if (written !== undefined && typeof written !== 'string') {
    throw wrong("tokens with a wrong 'written'", `expected string, received ${typeof written}`);
  }
}

function wrong(what: string, why: string): MeshError {
  return MeshError.engineFailed(`it yielded ${what} (${why})`);
}
