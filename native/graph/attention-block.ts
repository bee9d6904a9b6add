/**
 * One block of distributed attention: queries of one rank against keys and values of another, as primitive operators,
 * because the standard attention operators give no log-sum-exp. Query heads that share a key-value head are rows.
 */
import type { Float, Graph } from './graph-builder.ts';
import { GraphBuilder } from './graph-builder.ts';

/** Finite, so that a row that sees no key gives 0 and not NaN. */
const lowest = -1e38;

interface BlockInputs {
  readonly builder: GraphBuilder;
  readonly queries: Float;
  readonly keys: Float;
  readonly values: Float;
  /** Query times key, plus the mask where there is one. */
  readonly logits: Float;
}

/** Queries come scaled; the mask is 0 or minus infinity. */
function blockInputs(masked: boolean): BlockInputs {
  const builder = new GraphBuilder();
  const queries = builder.input('queries', 'float32', ['heads', 'rows', 'size']);
  const keys = builder.input('keys', 'float32', ['heads', 'keys', 'size']);
  const values = builder.input('values', 'float32', ['heads', 'keys', 'size']);
  const products = builder.matmul(queries, builder.transpose(keys, [0, 2, 1]));
  const logits = masked ? builder.add(products, builder.input('mask', 'float32', [1, 'rows', 'keys'])) : products;
  return { builder, queries, keys, values, logits };
}

/** Outputs the unnormalised accumulator [heads, rows, size], and maximum and sum [heads, rows, 1]. */
export function attentionBlockGraph(masked: boolean): Graph {
  const { builder, values, logits } = blockInputs(masked);
  const maximum = builder.maximum(builder.maximumOver(-1, logits), builder.scalar(lowest));
  const weights = builder.exponential(builder.subtract(logits, maximum));
  builder.output('accumulator', builder.matmul(weights, values), ['heads', 'rows', 'size']);
  builder.output('maximum', maximum, ['heads', 'rows', 1]);
  builder.output('sum', builder.sumOver(-1, weights), ['heads', 'rows', 1]);
  return builder.build(masked ? 'attention_block_masked' : 'attention_block');
}

/**
 * Gradients of the same block from dO, L (infinity for rows that see no key at all) and D, [heads, rows, 1]. The
 * gradient of the queries is that of the scaled ones.
 */
export function gradientBlockGraph(masked: boolean): Graph {
  const { builder, queries, keys, values, logits } = blockInputs(masked);
  const outputGradient = builder.input('output_gradient', 'float32', ['heads', 'rows', 'size']);
  const logSums = builder.input('log_sums', 'float32', ['heads', 'rows', 1]);
  const delta = builder.input('delta', 'float32', ['heads', 'rows', 1]);
  const turned = (value: Float): Float => builder.transpose(value, [0, 2, 1]);
  const weights = builder.exponential(builder.subtract(logits, logSums));
  const weightGradient = builder.matmul(outputGradient, turned(values));
  const logitGradient = builder.multiply(weights, builder.subtract(weightGradient, delta));
  builder.output('query_gradient', builder.matmul(logitGradient, keys), ['heads', 'rows', 'size']);
  builder.output('key_gradient', builder.matmul(turned(logitGradient), queries), ['heads', 'keys', 'size']);
  builder.output('value_gradient', builder.matmul(turned(weights), outputGradient), ['heads', 'keys', 'size']);
  return builder.build(masked ? 'gradient_block_masked' : 'gradient_block');
}
