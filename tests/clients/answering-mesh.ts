/**
 * A real entry, and a peer behind a real WebRTC link that answers by the question: what clients of other projects are led
 * through. It calls the first function that it is told of, writes JSON by its schema, and repeats everything else.
 */
import {
  createIdentity,
  type Engine,
  type GenerationRequest,
  MeshError,
  silentLogger,
  systemRandom,
} from '@tabmesh/shared';
import { type AccessTexts, accessSettings, startEntry } from '@tabmesh/signaling';
import { startMember, untilMesh } from '../setup/test-mesh.ts';
import { createTellingEngine, TELLING_MODEL } from './telling-engine.ts';

export interface AnsweringMesh {
  /** Of the API, `/v1` included. */
  readonly baseURL: string;
  readonly model: string;
  /** Resolves once the peer answers nobody. */
  untilIdle(): Promise<void>;
  close(): Promise<void>;
}

/** The answer begins with `Well` and does not end. */
export const HANG = 'Hang!';
/** The answer fails behind its first token. */
export const BREAK = 'Break!';

export async function startAnsweringMesh(access: AccessTexts = {}): Promise<AnsweringMesh> {
  const entry = await startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(systemRandom),
    version: '0.0.0-test',
    logger: silentLogger,
    access: accessSettings(access),
  });
  const member = startMember(entry.url, breakable(createTellingEngine(answerTo)));
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  return {
    baseURL: `${entry.url}/v1`,
    model: TELLING_MODEL,
    untilIdle: () => untilMesh(member, () => member.serving().activeJobs === 0),
    async close() {
      await member.close();
      await entry.close();
    },
  };
}

function breakable(engine: Engine): Engine {
  return {
    ...engine,
    async *generate(request, signal) {
      for await (const event of engine.generate(request, signal)) {
        yield event;
        if (questionOf(request) === BREAK) throw MeshError.engineFailed('it was asked to break');
      }
    },
  };
}

function answerTo(request: GenerationRequest): string | undefined {
  const { messages, responseFormat } = request;
  const question = questionOf(request);
  if (question === HANG) return undefined;
  if (responseFormat?.type === 'json_schema') return JSON.stringify(example(responseFormat.schema));
  if (responseFormat?.type === 'json_object') return '{}';
  const [, result] = /<tool_response>\n([\s\S]*?)\n<\/tool_response>/.exec(question) ?? [];
  if (result !== undefined) return `I hear ${result}.`;
  const [, signature] = /<tools>\n(.*)\n/.exec(messages[0]?.content ?? '') ?? [];
  if (signature === undefined) return question;
  const { name, parameters } = JSON.parse(signature).function;
  return `Let me look.\n<tool_call>\n${JSON.stringify({ name, arguments: example(parameters) })}\n</tool_call>`;
}

function questionOf({ messages }: GenerationRequest): string {
  return messages.at(-1)?.content ?? '';
}

/** What a schema of these tests allows: 21, Paris, and objects of them. */
function example(schema: unknown): unknown {
  const { type, properties = {}, const: only, anyOf = [] } = schema as Schema;
  if (only !== undefined) return only;
  if (anyOf.length > 0) return example(anyOf[0]);
  if (type === 'object') return Object.fromEntries(Object.entries(properties).map(([key, one]) => [key, example(one)]));
  return type === 'number' || type === 'integer' ? 21 : 'Paris';
}

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly const?: unknown;
  readonly anyOf?: readonly unknown[];
}
