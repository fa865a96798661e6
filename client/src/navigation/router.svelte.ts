/** A router of one screenful: the History API, links that are real links, and nothing else. */
import { parseRoute, type Route } from './route.ts';

export interface Router {
  readonly route: Route;
  go(path: string, options?: { replace?: boolean }): void;
  close(): void;
}

export function createRouter(): Router {
  let path = $state(location.pathname);
  const route = $derived(parseRoute(path));
  const onPopState = () => {
    path = location.pathname;
  };

  const go: Router['go'] = (to, options) => {
    if (to === path) return;
    if (options?.replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    path = to;
  };

  /** A plain click on a link into the app changes the page in place; with a modifier it stays the browser's. */
  const onClick = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (parseRoute(link.pathname).page === 'not-found') return;
    event.preventDefault();
    go(link.pathname);
  };

  window.addEventListener('popstate', onPopState);
  document.addEventListener('click', onClick);
  return {
    get route() {
      return route;
    },
    go,
    close() {
      window.removeEventListener('popstate', onPopState);
      document.removeEventListener('click', onClick);
    },
  };
}
