/** The evaluations on disk, by their traces' headers. Pure Node. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { openEvaluationFile } from '../../trace/file.ts';

/** What a list shows of an evaluation. */
export interface ListedEvaluation {
  /** Absolute. */
  readonly path: string;
  readonly set: string;
  readonly model: string;
  readonly questions: number;
  /** Titles of the methods, no pruning left out. */
  readonly methods: readonly string[];
  readonly state: 'complete' | 'partial';
  /** ISO 8601: when the trace was written last. */
  readonly written: string;
}

const folderPrefix = 'evaluation-';
const traceName = 'evaluation.fovea';

/** Those in folders `evaluation-…` of these folders, the last written first; what cannot be read is left out. */
export async function listEvaluations(folders: readonly string[]): Promise<ListedEvaluation[]> {
  const candidates = (await Promise.all([...new Set(folders)].map(tracesIn))).flat();
  const found = await Promise.all(candidates.map(read));
  return found.flatMap(one => one ?? []).sort((a, b) => b.written.localeCompare(a.written));
}

async function tracesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const own = entries.filter(entry => entry.isDirectory() && entry.name.startsWith(folderPrefix));
  return own.map(({ name }) => path.join(folder, name, traceName));
}

async function read(trace: string): Promise<ListedEvaluation | undefined> {
  try {
    const { mtime } = await stat(trace);
    const reader = await openEvaluationFile(trace);
    await reader.close();
    const { set, model, questions, conditions, status } = reader.metadata;
    const methods = [...new Set(conditions.filter(({ method }) => method !== 'none').map(({ title }) => title))];
    return {
      path: trace,
      set: set.name,
      model: model.name,
      questions,
      methods,
      state: status.state,
      written: mtime.toISOString(),
    };
  } catch {
    return undefined;
  }
}
