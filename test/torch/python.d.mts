export function findPython(): string | undefined;
export function ensurePython(): Promise<string>;
