/**
 * Whether an answer is right: the same characters as one of the accepted answers, space around it left out. This is the
 * comparison of the bundled model's training evaluation, so accuracies can be set beside its model card.
 */
export function isCorrect(answer: string, accepted: readonly string[]): boolean {
  const given = answer.trim();
  return accepted.some(one => one.trim() === given);
}

/** For the reader. */
export const matchingRule = 'exact: the same characters as an accepted answer, space around it left out';
