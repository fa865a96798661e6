export function ensureWebBuilt(root: string): Promise<void>;
