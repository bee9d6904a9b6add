const limit = 10;

/** Most recent first, each question once, at most ten. */
export function rememberQuestion(history: readonly string[], question: string): string[] {
  return [question, ...history.filter(other => other !== question)].slice(0, limit);
}

/** The history as found in storage, which an older or newer version may have written. */
export function questionsFrom(stored: unknown): string[] {
  if (!Array.isArray(stored)) return [];
  return stored.filter((entry): entry is string => typeof entry === 'string' && entry.trim() !== '').slice(0, limit);
}
