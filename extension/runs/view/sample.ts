/** One of the pictures that come with Fovea, and a question about it. */
export interface Sample {
  readonly file: string;
  readonly question: string;
}

interface ListedSample {
  readonly file: string;
  readonly questions: readonly {
    readonly task: string;
    readonly question: string;
    readonly answer: string;
    readonly model_answer: string;
  }[];
}

/**
 * The samples with their first describing question, those that the bundled model describes rightly first.
 * @param json text of media/samples/questions.json
 */
export function describingSamples(json: string): Sample[] {
  const listed = JSON.parse(json) as readonly ListedSample[];
  const found = listed.flatMap(({ file, questions }) => {
    const describing = questions.find(({ task }) => task === 'describe');
    if (!describing) return [];
    return [{ file, question: describing.question, right: describing.answer === describing.model_answer }];
  });
  return found.sort((a, b) => Number(b.right) - Number(a.right)).map(({ file, question }) => ({ file, question }));
}

/** The first that has no run yet, so that asking again shows another; then from the start. */
export function nextSample(samples: readonly Sample[], analyzed: ReadonlySet<string>): Sample | undefined {
  return samples.find(({ file }) => !analyzed.has(file)) ?? samples[0];
}
