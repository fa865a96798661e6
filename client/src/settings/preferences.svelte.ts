/** What the user set in this browser: theme, model, who may see a prompt, when lending pauses. Storage may be blocked; then they last until the page closes. */
import { ModelId } from '@tabmesh/shared';
import { PAUSE_SWITCHES, type PauseSwitch } from './pause-switch.ts';

export type Theme = 'system' | 'light' | 'dark';

/** Whether an outside provider may be offered at all; without being named on the screen it is never asked. */
export type FallbackChoice = 'never' | 'when-slow';

/** `public/theme.js` reads the same key before the first paint. */
const THEME_KEY = 'tabmesh.theme';
const MODEL_KEY = 'tabmesh.model';
/** Browsers have it under this name from before it was called fallback everywhere. */
const FALLBACK_KEY = 'tabmesh.outside';
const PAUSE_KEY = 'tabmesh.pause-on';

export class Preferences {
  #theme = $state.raw<Theme>('system');
  #model = $state.raw<ModelId | undefined>();
  #fallback = $state.raw<FallbackChoice>('when-slow');
  /** Whoever saves data has asked for that already. */
  #pauseOn = $state.raw<ReadonlySet<PauseSwitch>>(new Set(['metered']));

  constructor() {
    const theme = readSetting(THEME_KEY);
    if (theme === 'light' || theme === 'dark') this.#theme = theme;
    const model = ModelId.safeParse(readSetting(MODEL_KEY));
    if (model.success) this.#model = model.data;
    if (readSetting(FALLBACK_KEY) === 'never') this.#fallback = 'never';
    const pauseOn = readSetting(PAUSE_KEY)?.split(' ');
    if (pauseOn !== undefined) this.#pauseOn = new Set(PAUSE_SWITCHES.filter((name) => pauseOn.includes(name)));
  }

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    writeSetting(THEME_KEY, theme === 'system' ? undefined : theme);
  }

  /** Undefined: automatic, the mesh's default model. */
  get model(): ModelId | undefined {
    return this.#model;
  }

  set model(model: ModelId | undefined) {
    this.#model = model;
    writeSetting(MODEL_KEY, model);
  }

  get fallback(): FallbackChoice {
    return this.#fallback;
  }

  set fallback(choice: FallbackChoice) {
    this.#fallback = choice;
    writeSetting(FALLBACK_KEY, choice === 'never' ? choice : undefined);
  }

  /** What a lending tab pauses on. */
  get pauseOn(): ReadonlySet<PauseSwitch> {
    return this.#pauseOn;
  }

  set pauseOn(switches: ReadonlySet<PauseSwitch>) {
    this.#pauseOn = switches;
    writeSetting(PAUSE_KEY, [...switches].join(' '));
  }
}

function readSetting(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function writeSetting(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Blocked or full: the setting holds until the page closes.
  }
}
