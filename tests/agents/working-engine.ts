/** An engine that works as a coding model does, by script: it has one command run, and tells what it gave. */
import type { GenerationRequest } from '@tabmesh/shared';
import { createTellingEngine, TELLING_MODEL, type TellingEngine } from '../clients/telling-engine.ts';

export const WORKING_MODEL = TELLING_MODEL;

export interface WorkingEngine extends TellingEngine {
  /** Results of tools that it was told. */
  readonly results: number;
  /** What it was asked, in short. */
  readonly asked: readonly object[];
}

export function createWorkingEngine(command: string): WorkingEngine {
  const asked: object[] = [];
  let results = 0;
  const engine = createTellingEngine((request) => {
    const question = request.messages.at(-1)?.content ?? '';
    const tools = toolsOf(request);
    asked.push({ tools: tools.map(({ name }) => name), last: question.slice(-300), messages: request.messages.length });
    const [, result] = /<tool_response>\n([\s\S]*?)\n<\/tool_response>/.exec(question) ?? [];
    if (result !== undefined) {
      results += 1;
      return `It says: ${result}`;
    }
    const shell = tools.find(({ name }) => SHELLS.includes(name));
    // Agents ask for titles and the like as well, without tools.
    if (shell === undefined) return 'A note';
    return `I look.\n<tool_call>\n${JSON.stringify({ name: shell.name, arguments: argumentsOf(shell, command) })}\n</tool_call>`;
  });
  return {
    ...engine,
    asked,
    get results() {
      return results;
    },
  };
}

const SHELLS = ['bash', 'shell', 'shell_command', 'exec_command', 'local_shell'];

interface Tool {
  readonly name: string;
  readonly parameters: { readonly properties?: Readonly<Record<string, { readonly type?: unknown }>> };
}

function toolsOf({ messages }: GenerationRequest): Tool[] {
  const [, told = ''] = /<tools>\n([\s\S]*?)\n<\/tools>/.exec(messages[0]?.content ?? '') ?? [];
  return told === '' ? [] : told.split('\n').map((line) => JSON.parse(line).function);
}

function argumentsOf({ parameters: { properties = {} } }: Tool, command: string): object {
  const name = 'cmd' in properties ? 'cmd' : 'command';
  const value = properties[name]?.type === 'array' ? ['bash', '-lc', command] : command;
  return { [name]: value, ...('description' in properties ? { description: 'Reads the note' } : {}) };
}
