/** Installs one edition of VS Code unless it is there. Linux on x64 only. */
export function setupEditor(edition?: 'newest' | 'oldest', say?: (text: string) => void): Promise<void>;
