/** What lending may look like from outside, one state at a time. */
import type { Engine } from '@tabmesh/shared';
import type { LoadProgress } from '../engines/index.ts';
import type { PauseReason } from './lifecycle.ts';

export type ContributionPhase =
  | { readonly state: 'idle' }
  | {
      readonly state: 'loading';
      readonly label: string;
      readonly progress: LoadProgress | undefined;
    }
  | {
      readonly state: 'serving';
      readonly label: string;
      readonly engine: Engine;
    }
  /** The engine stays loaded and serves again by itself. No reasons: as soon as its last answers have ended. */
  | {
      readonly state: 'paused';
      readonly label: string;
      readonly reasons: readonly PauseReason[];
    }
  /** The engine broke and is loaded anew. */
  | {
      readonly state: 'restarting';
      readonly label: string;
      readonly message: string;
      readonly attempt: number;
      readonly mostAttempts: number;
    }
  | { readonly state: 'draining'; readonly label: string }
  | {
      readonly state: 'failed';
      readonly label: string;
      /** Whether it has served before it failed. */
      readonly served: boolean;
      readonly message: string;
    };
