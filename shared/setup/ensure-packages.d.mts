export function ensurePackages(root: string): Promise<void>;
