/** Languages in which images are referred to; package.json activates the extension for the same. */
export const hoverLanguages = ['markdown', 'html', 'python', 'json', 'jsonc', 'jsonl', 'yaml', 'latex', 'tex'] as const;
