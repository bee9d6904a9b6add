/** A line of a question set: an object with an image and a question. Nothing here touches the disk. */

export interface QuestionLine {
  readonly id?: string;
  readonly image: string;
  readonly question: string;
}

/** Longer lines are no questions; they are not parsed while a hover waits. */
const longestLine = 100_000;
const setLanguages: ReadonlySet<string> = new Set(['json', 'jsonc', 'jsonl']);

export function questionLine(text: string, language: string): QuestionLine | undefined {
  if (!setLanguages.has(language) || text.length > longestLine) return undefined;
  const line = text.trim().replace(/,$/, '');
  if (!line.startsWith('{') || !line.endsWith('}')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { id, image, question } = value as Record<string, unknown>;
  if (typeof image !== 'string' || image === '' || typeof question !== 'string' || question.trim() === '')
    return undefined;
  return { image, question, ...((typeof id === 'string' || typeof id === 'number') && { id: String(id) }) };
}
