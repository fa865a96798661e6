export type LockedPackages = Readonly<Record<string, { readonly version?: string }>>;

export function readLockedPackages(root: string): LockedPackages;
