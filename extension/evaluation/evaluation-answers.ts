/** What the user types and chooses for an evaluation, understood. Free of VS Code. */
import { createHash } from 'node:crypto';
import path from 'node:path';

/** "192, 128 64" @returns undefined when it is not a list of whole numbers from 1 */
export function parseBudgets(text: string): number[] | undefined {
  const words = text.split(/[\s,;]+/).filter(word => word !== '');
  const budgets = words.map(Number);
  const good = budgets.length > 0 && budgets.every(budget => Number.isSafeInteger(budget) && budget >= 1);
  return good ? [...new Set(budgets)].sort((a, b) => b - a) : undefined;
}

/** A number of questions; `all` when nothing was typed. @returns undefined when it is neither */
export function parseLimit(text: string): number | 'all' | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return 'all';
  const limit = Number(trimmed);
  return Number.isSafeInteger(limit) && limit >= 1 ? limit : undefined;
}

/** The same set always gets the same folder, so that its evaluations go on; two of one name do not meet. */
export function evaluationFolderName(setPath: string): string {
  const stem = path.parse(setPath).name.replace(/[^\p{L}\p{N}._-]+/gu, '-');
  const digest = createHash('sha256').update(setPath).digest('hex').slice(0, 6);
  return `evaluation-${stem}-${digest}`;
}

/** "40 s", "12 min", "3 h 20 min" */
export function durationText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
