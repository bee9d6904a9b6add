const limit = 10;
/** Characters. A pasted document is too long for any model and would make the list slow for ten questions to come. */
const longest = 4_000;

/** Most recent first, each question once, at most ten; a huge one is not kept. */
export function rememberQuestion(history: readonly string[], question: string): string[] {
  if (question.length > longest) return [...history];
  return [question, ...history.filter(other => other !== question)].slice(0, limit);
}

/** The history as found in storage, which an older or newer version may have written. */
export function questionsFrom(stored: unknown): string[] {
  if (!Array.isArray(stored)) return [];
  return stored.filter((entry): entry is string => typeof entry === 'string' && entry.trim() !== '').slice(0, limit);
}
