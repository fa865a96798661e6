/** The version that announcements and `--version` carry. */
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
