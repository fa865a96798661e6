export function wrongNode(version: string): string | undefined;
