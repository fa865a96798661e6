/** How each agent is told of a server of its user's own, as its documentation has it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AgentSetup {
  /** Of the entry. */
  readonly url: string;
  readonly model: string;
  readonly question: string;
  readonly home: string;
  readonly work: string;
}

export interface Agent {
  readonly name: string;
  /** On npm. */
  readonly package: string;
  /** Of the package, below its folder of modules; the first that is there. */
  readonly programs: readonly string[];
  /** Writes what it reads and gives what it is started with. */
  start(setup: AgentSetup): {
    readonly args: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
}

const platform = process.platform === 'win32' ? 'windows' : process.platform;
const suffix = process.platform === 'win32' ? '.exe' : '';

/** By the package of the `ai` SDK that it speaks to a provider with. */
const opencode = (name: string, npm: string): Agent => ({
  name,
  package: 'opencode-ai',
  programs: ['', '-baseline'].map((kind) => `opencode-${platform}-${process.arch}${kind}/bin/opencode${suffix}`),
  start({ url, model, question }) {
    const config = {
      provider: {
        tabmesh: {
          npm,
          name: 'TabMesh',
          options: { baseURL: `${url}/v1`, apiKey: 'none' },
          models: { [model]: { name: model, limit: { context: 100_000, output: 8_000 } } },
        },
      },
      model: `tabmesh/${model}`,
      small_model: `tabmesh/${model}`,
      permission: { bash: 'allow' },
      share: 'disabled',
      autoupdate: false,
    };
    return {
      args: ['run', question],
      environment: {
        OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
    };
  },
});

export const AGENTS: readonly Agent[] = [
  opencode('opencode', '@ai-sdk/openai-compatible'),
  opencode('opencode-messages', '@ai-sdk/anthropic'),
  {
    name: 'codex',
    package: '@openai/codex',
    programs: ['@openai/codex/bin/codex.js'],
    start({ url, model, question, home }) {
      const config = `
model = "${model}"
model_provider = "tabmesh"

[model_providers.tabmesh]
name = "TabMesh"
base_url = "${url}/v1"
wire_api = "responses"

[analytics]
enabled = false
`;
      writeFileSync(join(home, 'config.toml'), config);
      return {
        // Its sandbox wants rights of the machine that not every machine gives; the tool only reads a file.
        args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', question],
        environment: { CODEX_HOME: home },
      };
    },
  },
];
