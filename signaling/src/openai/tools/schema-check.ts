/**
 * What a request asks of its answers that no grammar holds, and of engines that have none: the complete answer is held
 * against its schemas before its end is told. One that was cut off is not: the client is told that it is not complete.
 */
import type { MeshError } from '@tabmesh/shared';
import type { ReadSchema } from '@tabmesh/shared/json-grammar';
import type { OpenedAnswer } from '../../answers/opened-answer.ts';
import { brokenSchema } from './enforced-schema.ts';
import { ToolCallReader } from './tool-call-reader.ts';

/** Gives the error of a complete answer that breaks what was asked; undefined: it is sound. */
export type AnswerCheck = (text: string) => MeshError | undefined;

export interface EnforcedCall {
  readonly name: string;
  readonly parameters: ReadSchema;
  /** How the request names its parameters. */
  readonly field: string;
}

export function checkOfSchema(schema: ReadSchema, field: string): AnswerCheck {
  return (text) => brokenSchema(schema, text, field);
}

/** Of the calls between the text of an answer. */
export function checkOfCalls(calls: readonly EnforcedCall[]): AnswerCheck {
  const byName = new Map(calls.map((call) => [call.name, call]));
  return (text) => {
    const reader = new ToolCallReader(new Set(byName.keys()), 'tagged');
    const made: { name: string; given: string }[] = [];
    for (const part of [...reader.push(text), ...reader.end()]) {
      const call = part.type === 'arguments' ? made[part.index] : undefined;
      if (part.type === 'call') made.push({ name: part.name, given: '' });
      else if (part.type === 'arguments' && call !== undefined) call.given += part.text;
    }
    for (const { name, given } of made) {
      const call = byName.get(name);
      const error = call && brokenSchema(call.parameters, given, call.field);
      if (error !== undefined) return error;
    }
    return undefined;
  };
}

/** The same answer, which fails instead of ending where it breaks what was asked. */
export function checked(answer: OpenedAnswer, check: AnswerCheck | undefined): OpenedAnswer {
  return check === undefined ? answer : { ...answer, events: checkedEvents(answer.events, check) };
}

async function* checkedEvents(events: OpenedAnswer['events'], check: AnswerCheck): OpenedAnswer['events'] {
  let text = '';
  for await (const event of events) {
    if (event.type === 'tokens' && event.thought !== true) text += event.text;
    const error = event.type === 'end' && event.reason === 'stop' ? check(text) : undefined;
    if (error !== undefined) throw error;
    yield event;
  }
}
