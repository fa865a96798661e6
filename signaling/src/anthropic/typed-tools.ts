/** The tools that Anthropic's models know by their type, and that the client runs: said in words and a schema to all others. */

interface TypedTool {
  readonly prefix: string;
  readonly name: string;
  readonly description: string;
  readonly parameters: Record<string, unknown>;
}

const text = { type: 'string' };
const line = { type: 'integer' };
const objectOf = (properties: Record<string, unknown>, required: readonly string[]) => ({
  type: 'object',
  properties,
  required,
});

export const TYPED_TOOLS: readonly TypedTool[] = [
  {
    prefix: 'bash_',
    name: 'bash',
    description:
      'Runs a command in a bash session that stays open, and gives its output. `restart` begins a new session.',
    parameters: objectOf({ command: text, restart: { type: 'boolean' } }, []),
  },
  {
    prefix: 'text_editor_',
    name: 'str_replace_based_edit_tool',
    description:
      'Views, creates and edits text files. `view` shows a file (lines of `view_range`) or a folder, `create` writes ' +
      '`file_text`, `str_replace` puts `new_str` where `old_str` stands, `insert` puts `insert_text` behind `insert_line`.',
    parameters: objectOf(
      {
        command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert'] },
        path: text,
        view_range: { type: 'array', items: line },
        file_text: text,
        old_str: text,
        new_str: text,
        insert_line: line,
        insert_text: text,
      },
      ['command', 'path'],
    ),
  },
  {
    prefix: 'memory_',
    name: 'memory',
    description:
      'Keeps notes as files under /memories from one conversation to the next: `view` a file or folder, `create` a file of ' +
      '`file_text`, `str_replace` `old_str` by `new_str`, `insert` `insert_text` behind `insert_line`, `delete` a path, ' +
      '`rename` `old_path` to `new_path`.',
    parameters: objectOf(
      {
        command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'] },
        path: text,
        view_range: { type: 'array', items: line },
        file_text: text,
        old_str: text,
        new_str: text,
        insert_line: line,
        insert_text: text,
        old_path: text,
        new_path: text,
      },
      ['command'],
    ),
  },
];
