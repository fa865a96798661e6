/** Each is the page at the address of its name. An entry has to know them too (`signaling/src/web/web-app.ts`). */
export const PAGE_NAMES = ['contribute', 'status', 'metrics', 'settings'] as const;
export type PageName = (typeof PAGE_NAMES)[number];

/** The app's addresses, as a union. */
export type Route =
  | { readonly page: 'chat'; readonly conversationId: string | undefined }
  | { readonly page: PageName }
  | { readonly page: 'not-found' };

export function parseRoute(pathname: string): Route {
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  const chat = /^\/chat\/([A-Za-z0-9_-]{1,64})$/.exec(path);
  if (path === '/' || path === '') return { page: 'chat', conversationId: undefined };
  if (chat !== null) return { page: 'chat', conversationId: chat[1] };
  const page = PAGE_NAMES.find((name) => path === `/${name}`);
  return { page: page ?? 'not-found' };
}

export function chatPath(conversationId: string | undefined): string {
  return conversationId === undefined ? '/' : `/chat/${conversationId}`;
}
