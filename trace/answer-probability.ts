import type { RunMetadata } from './schema.ts';

/**
 * Geometric mean of the probabilities of the answer's tokens, the end included: the inverse of its perplexity. Undefined where
 * none is recorded.
 */
export function answerProbability({
  tokens,
  promptTokens,
}: Pick<RunMetadata, 'tokens' | 'promptTokens'>): number | undefined {
  const logs = tokens.slice(promptTokens).flatMap(({ logprob }) => logprob ?? []);
  return logs.length === 0 ? undefined : Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length);
}
