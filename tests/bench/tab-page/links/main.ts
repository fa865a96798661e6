/** One end of a link in a tab; the benchmark calls it through `window.links`. */
import { createSimplePeerTransport } from '@tabmesh/shared';
import { bareConnectMs } from '../../peers/bare-connect.ts';
import { joinWithLinks, type LinkEnd } from '../../peers/link-end.ts';

export interface LinksPage {
  join(): Promise<LinkEnd>;
  bareConnectMs(): Promise<number>;
}

const transport = createSimplePeerTransport();

window.links = {
  join: () => joinWithLinks(location.origin, 'tab', transport),
  bareConnectMs: () => bareConnectMs(transport),
};

declare global {
  interface Window {
    links: LinksPage;
  }
}
