import type { RunMetadata } from '../../trace/schema.ts';

export interface NamedRun {
  /** File name. */
  readonly name: string;
  readonly metadata: Pick<RunMetadata, 'method' | 'prompt' | 'model' | 'image' | 'created'>;
}

const longestQuestion = 48;

export function methodName({ name, title }: RunMetadata['method']): string {
  return name === 'none' ? 'no pruning' : (title ?? name);
}

/** Short names of runs by what they differ in: the method, its variant and budget, then question, model, image, time, file. */
export function runNames(runs: readonly NamedRun[]): string[] {
  const parts = runs.map(({ name, metadata: { method, prompt, model, image, created } }) => [
    methodName(method),
    method.variant ?? '',
    method.budget ? `${method.budget.asked} tokens` : '',
    `“${cut(prompt.question)}”`,
    model.name,
    image.name,
    timeOf(created),
    name.replace(/\.fovea$/, ''),
  ]);
  const columns = parts[0]?.map((_, column) => column) ?? [];
  const differing = columns.filter(column => new Set(parts.map(one => one[column])).size > 1);
  const used: number[] = [];
  const named = (): string[] =>
    parts.map(one =>
      used
        .map(column => one[column])
        .filter(Boolean)
        .join(', '),
    );
  for (const column of differing) {
    used.push(column);
    if (new Set(named()).size === runs.length && named().every(name => name !== '')) return named();
  }
  // Copies of one file, or one run alone.
  const numbered = parts.map(one => one[0]!);
  return runs.length === 1 ? numbered : numbered.map((name, index) => `${name} (${index + 1})`);
}

function timeOf(created: string): string {
  const time = new Date(created);
  return Number.isNaN(time.getTime()) ? created : time.toLocaleString();
}

function cut(question: string): string {
  const characters = Array.from(question.replace(/\s+/g, ' ').trim());
  return characters.length <= longestQuestion
    ? characters.join('')
    : `${characters.slice(0, longestQuestion - 1).join('')}…`;
}
