/**
 * results.jsonl: one line for every question and condition, appended as soon as it is known, so that an evaluation that was
 * killed goes on where it was. The first line says what the results belong to.
 */
import { mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { cannotWriteEvaluation } from './output-error.ts';

export const resultsName = 'results.jsonl';

/** Results belong together when all of it is equal. */
export interface ResultsIdentity {
  readonly set: string;
  readonly model: string;
  /** Files that only some of the methods read: name to digest. */
  readonly methodFiles: Readonly<Record<string, string>>;
  readonly maxNewTokens: number;
  readonly device: string;
  readonly matching: string;
  readonly producer: string;
  /** Of the code that answers are made by. */
  readonly code: string;
}

export type Result = { readonly question: string; readonly condition: string } & (
  { readonly outcome: EvaluationOutcome } | { readonly problem: { readonly code: string; readonly message: string } }
);

interface Header {
  readonly fovea: 'evaluation results';
  readonly created: string;
  readonly identity: ResultsIdentity;
}

export interface OpenedResults {
  readonly file: ResultsFile;
  /** ISO 8601. */
  readonly created: string;
  readonly earlier: readonly Result[];
  /** What of the identity differs, or which file, from the results that were there, which are kept in `movedTo`. */
  readonly startedAnew?: { readonly changed: readonly string[]; readonly movedTo: string };
}

export class ResultsFile {
  /** Jobs answer at the same time, and a file takes one write after the other. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly handle: FileHandle,
    readonly path: string,
  ) {}

  static async open(path: string): Promise<ResultsFile> {
    return new ResultsFile(await open(path, 'a'), path);
  }

  /** @throws FoveaError `disk` */
  async append(line: Header | Result): Promise<void> {
    const written = this.last.then(() => this.handle.appendFile(`${JSON.stringify(line)}\n`));
    this.last = written.catch(() => undefined);
    try {
      await written;
    } catch (error) {
      throw cannotWriteEvaluation(this.path, error);
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/**
 * Goes on with the results in `folder`, or starts them. Those of another set, model, version or code are moved aside.
 * @throws FoveaError `disk`
 */
export async function openResults(folder: string, identity: ResultsIdentity, now: Date): Promise<OpenedResults> {
  const path = join(folder, resultsName);
  try {
    await mkdir(folder, { recursive: true });
    const found = parseResults(await readIfThere(path));
    const changed = found.header ? differences(found.header.identity, identity) : [];
    if (found.header && changed.length === 0) {
      await cutOff(path, found.completeBytes);
      const file = await ResultsFile.open(path);
      const { created } = found.header;
      const known = found.header.identity.methodFiles;
      const added = Object.keys(identity.methodFiles).some(name => !(name in known));
      if (added) await file.append({ fovea: 'evaluation results', created, identity });
      return { file, created, earlier: found.results };
    }
    const movedTo = found.anything ? await moveAside(path, now) : undefined;
    const file = await ResultsFile.open(path);
    const created = now.toISOString();
    await file.append({ fovea: 'evaluation results', created, identity });
    return { file, created, earlier: [], ...(movedTo !== undefined && { startedAnew: { changed, movedTo } }) };
  } catch (error) {
    throw cannotWriteEvaluation(path, error);
  }
}

interface ParsedResults {
  readonly header: Header | undefined;
  /** The last one of each question and condition, in the order of the file. */
  readonly results: readonly Result[];
  /** Bytes up to the end of the last whole line. */
  readonly completeBytes: number;
  readonly anything: boolean;
}

/** A line that was cut off, at the end or by a full disk, counts as not there: its question is asked again. */
export function parseResults(text: string): ParsedResults {
  const complete = text.slice(0, text.lastIndexOf('\n') + 1);
  const [first, ...rest] = complete.split('\n');
  const start = parse(first ?? '');
  let header = isHeader(start) ? start : undefined;
  const results = new Map<string, Result>();
  for (const line of rest) {
    const result = parse(line);
    if (header && isHeader(result)) header = withMethodFiles(header, result.identity);
    else if (isResult(result)) results.set(resultKey(result.question, result.condition), result);
  }
  return {
    header,
    results: [...results.values()],
    completeBytes: Buffer.byteLength(complete),
    anything: text.trim() !== '',
  };
}

/** A later header is of methods that were added, which may have read further files. */
function withMethodFiles(header: Header, { methodFiles }: ResultsIdentity): Header {
  const { identity } = header;
  return { ...header, identity: { ...identity, methodFiles: { ...identity.methodFiles, ...methodFiles } } };
}

export const resultKey = (question: string, condition: string): string => JSON.stringify([question, condition]);

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function isHeader(value: unknown): value is Header {
  return isRecord(value) && value['fovea'] === 'evaluation results' && isRecord(value['identity']);
}

function isResult(value: unknown): value is Result {
  if (!isRecord(value) || typeof value['question'] !== 'string' || typeof value['condition'] !== 'string') return false;
  const { outcome, problem } = value;
  if (isRecord(problem)) return typeof problem['message'] === 'string' && typeof problem['code'] === 'string';
  if (!isRecord(outcome) || !isRecord(outcome['ms']) || !isRecord(outcome['macs'])) return false;
  const numbers = [outcome['entering'], outcome['leaving'], outcome['kvBytes'], outcome['answerTokens']];
  return (
    typeof outcome['answer'] === 'string' &&
    typeof outcome['correct'] === 'boolean' &&
    (outcome['highResolutionShare'] === undefined || Number.isFinite(outcome['highResolutionShare'])) &&
    [...numbers, ...Object.values(outcome['ms']), ...Object.values(outcome['macs'])].every(Number.isFinite)
  );
}

/** Files of methods that ran on one side only say nothing about the results of the others. @param before of an earlier version lacks fields */
function differences(before: Partial<ResultsIdentity>, now: ResultsIdentity): string[] {
  const { methodFiles: earlier = {}, ...first } = before;
  const { methodFiles, ...second } = now;
  const files = Object.entries(methodFiles).filter(([name, digest]) => (earlier[name] ?? digest) !== digest);
  const keys = Object.keys(second) as (keyof typeof second)[];
  return [...keys.filter(key => first[key] !== second[key]), ...files.map(([name]) => name)];
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

async function cutOff(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.truncate(bytes);
  } finally {
    await handle.close();
  }
}

async function moveAside(path: string, now: Date): Promise<string> {
  const stamp = now.toISOString().replace(/[:.]/g, '-');
  const target = join(dirname(path), `results-until-${stamp}.jsonl`);
  await rename(path, target);
  return target;
}
