/**
 * What Codex 0.171 sends at its first request, by its shape: instructions as developer messages, functions with nested
 * parameters, a namespace, hosted tools, and fields of its own. Its texts are shortened.
 */
const id = '01a2226a-89c0-7a43-9ae0-bde392d69d0a';

const message = (role: 'developer' | 'user', ...texts: readonly string[]) => ({
  type: 'message',
  id: `msg_${id}`,
  role,
  content: texts.map((text) => ({ type: 'input_text', text })),
});

const fn = (name: string, properties: object, required: readonly string[] = []) => ({
  type: 'function',
  name,
  description: `${name}.`,
  strict: false,
  parameters: { type: 'object', properties, required, additionalProperties: false },
});

/** Of models that it knows better: a tool that takes a patch by a grammar. */
export const applyPatch = {
  type: 'custom',
  name: 'apply_patch',
  description: 'Use the `apply_patch` tool to edit files. This is a FREEFORM tool, so do not wrap the patch in JSON.',
  format: {
    type: 'grammar',
    syntax: 'lark',
    definition:
      'start: begin_patch hunk+ end_patch\nbegin_patch: "*** Begin Patch" LF\nend_patch: "*** End Patch" LF?\n',
  },
};

export const codexRequest = {
  model: 'mesh-tiny',
  instructions: 'You are a coding agent.',
  stream: true,
  input: [
    message('developer', 'You are a coding agent running in the Codex CLI.'),
    message('developer', '<skills_instructions>\n## Skills', '<permissions instructions>'),
    message('user', '<environment_context>\n  <cwd>/home/alice/project</cwd>'),
    message('user', 'Say hi.'),
  ],
  tools: [
    fn('exec_command', { cmd: { type: 'string' }, tty: { type: 'boolean' } }, ['cmd']),
    fn('write_stdin', { session_id: { type: 'number' } }, ['session_id']),
    fn('request_user_input', {
      questions: { type: 'array', items: { type: 'object', properties: { id: { type: 'string' } } } },
    }),
    fn('view_image', { path: { type: 'string' } }, ['path']),
    {
      type: 'namespace',
      name: 'multi_agent_v1',
      description: 'Tools for spawning and managing sub-agents.',
      tools: [
        fn('close_agent', { target: { type: 'string' } }, ['target']),
        fn('spawn_agent', { message: { type: 'string' } }),
      ],
    },
    applyPatch,
    { type: 'local_shell' },
    { type: 'web_search', external_web_access: true },
    { type: 'image_generation', output_format: 'png' },
  ],
  tool_choice: 'auto',
  parallel_tool_calls: true,
  reasoning: { effort: 'medium', summary: 'auto' },
  store: false,
  include: ['reasoning.encrypted_content'],
  text: { verbosity: 'medium' },
  prompt_cache_key: id,
  client_metadata: { session_id: id, turn_id: id },
};
