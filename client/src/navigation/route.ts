/** The app's addresses, as a union. */
export type Route =
  | { readonly page: 'chat'; readonly conversationId: string | undefined }
  | { readonly page: 'contribute' }
  | { readonly page: 'status' }
  | { readonly page: 'metrics' }
  | { readonly page: 'settings' }
  | { readonly page: 'not-found' };

export function parseRoute(pathname: string): Route {
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  const chat = /^\/chat\/([A-Za-z0-9_-]{1,64})$/.exec(path);
  if (path === '/' || path === '') return { page: 'chat', conversationId: undefined };
  if (chat !== null) return { page: 'chat', conversationId: chat[1] };
  if (path === '/contribute') return { page: 'contribute' };
  if (path === '/status') return { page: 'status' };
  if (path === '/metrics') return { page: 'metrics' };
  if (path === '/settings') return { page: 'settings' };
  return { page: 'not-found' };
}

export function chatPath(conversationId: string | undefined): string {
  return conversationId === undefined ? '/' : `/chat/${conversationId}`;
}
