export function ensureNodeBuilt(root: string): Promise<void>;
