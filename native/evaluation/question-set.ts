/** A question set: JSON Lines with image, question and answer. Lines that cannot be used are told by number. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { EvaluationProblem, EvaluationQuestion } from '../../trace/evaluation/evaluation.ts';
import { FoveaError } from '../errors.ts';

export interface SetQuestion extends EvaluationQuestion {
  /** 1-based. */
  readonly line: number;
  /** Absolute. */
  readonly imagePath: string;
}

export interface QuestionSet {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** sha256 of the file and of the sizes of its images, hex. */
  readonly digest: string;
  readonly questions: readonly SetQuestion[];
  readonly problems: readonly EvaluationProblem[];
}

/** @throws FoveaError `question-set` when the file cannot be read or no line can be used */
export async function readQuestionSet(path: string): Promise<QuestionSet> {
  const absolute = resolve(path);
  const text = await readFile(absolute, 'utf8').catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  const parsed = parseQuestions(text, dirname(absolute));
  const sizes = await imageSizes(parsed.questions);
  const missing = parsed.questions.filter(({ imagePath }) => sizes.get(imagePath) === undefined);
  const problems = [
    ...parsed.problems,
    ...missing.map(({ line, image }) => ({ line, message: `The image ${image} is not there or no file.` })),
  ].sort((a, b) => a.line - b.line);
  const questions = parsed.questions.filter(({ imagePath }) => sizes.get(imagePath) !== undefined);
  if (questions.length === 0) throw nothingUsable(path, problems);
  const digest = createHash('sha256').update(text);
  for (const { image, imagePath } of questions) digest.update(`\n${image} ${sizes.get(imagePath) ?? 0}`);
  return { name: nameOf(absolute), path: absolute, digest: digest.digest('hex'), questions, problems };
}

/** "media/questions/questions.jsonl" is best known by its folder. */
function nameOf(path: string): string {
  const name = basename(path);
  return name === 'questions.jsonl' ? `${basename(dirname(path))}/${name}` : name;
}

/** @param folder that image paths are relative to */
export function parseQuestions(text: string, folder: string): Pick<QuestionSet, 'questions' | 'problems'> {
  const questions: SetQuestion[] = [];
  const problems: EvaluationProblem[] = [];
  const ids = new Set<string>();
  text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .forEach((content, index) => {
      const line = index + 1;
      if (content.trim() === '') return;
      const question = parseLine(content, line, folder);
      if (typeof question === 'string') problems.push({ line, message: question });
      else if (ids.has(question.id)) problems.push({ line, message: `The id "${question.id}" was used before.` });
      else {
        ids.add(question.id);
        questions.push(question);
      }
    });
  return { questions, problems };
}

/** @returns what is wrong, in words, when the line cannot be used */
function parseLine(content: string, line: number, folder: string): SetQuestion | string {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return 'This is not valid JSON. Each line holds one object with image, question and answer.';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'This is not a JSON object.';
  const { id = `line ${line}`, image, question, answer, kind = 'all' } = value as Record<string, unknown>;
  const answers: unknown[] = Array.isArray(answer) ? answer : [answer];
  if (typeof image !== 'string' || image === '') return '"image" names no file.';
  if (typeof question !== 'string' || question.trim() === '') return '"question" is no text.';
  if (answers.length === 0 || !answers.every(one => typeof one === 'string')) {
    return '"answer" is neither a text nor a list of texts.';
  }
  if (typeof id !== 'string' && typeof id !== 'number') return '"id" is neither a text nor a number.';
  if (typeof kind !== 'string' || kind === '') return '"kind" is no text.';
  return { id: String(id), image, imagePath: resolve(folder, image), question, answers, kind, line };
}

async function imageSizes(questions: readonly SetQuestion[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { imagePath } of questions) {
    if (sizes.has(imagePath)) continue;
    const entry = await stat(imagePath).catch(() => undefined);
    if (entry?.isFile()) sizes.set(imagePath, entry.size);
  }
  return sizes;
}

function cannotRead(path: string, error: unknown): FoveaError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const problem = { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'you may not read it' }[code];
  const message = `The question set ${path} cannot be read: ${problem ?? code}.`;
  return new FoveaError('question-set', message, 'Name a JSON Lines file.', { cause: error });
}

function nothingUsable(path: string, problems: readonly EvaluationProblem[]): FoveaError {
  const first = problems[0];
  const example = '{"image": "photo.jpg", "question": "What is this?", "answer": "a cat"}';
  return new FoveaError(
    'question-set',
    `No line of ${path} can be asked.${first ? ` Line ${first.line}: ${first.message}` : ' The file is empty.'}`,
    `One line looks like this: ${example}`,
  );
}
