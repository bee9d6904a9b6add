/** An evaluation of the size of a real one, with arbitrary answers: seeded, so that pictures stay the same. */
import {
  type Evaluation,
  type EvaluationCondition,
  evaluationKind,
  type EvaluationOutcome,
  evaluationSchemaVersion,
} from '../../trace/evaluation/evaluation.ts';

const kinds = ['position', 'where', 'count', 'exist', 'size', 'read', 'small_text', 'describe'];
const questions = 200;
/** Method and how well it does with few tokens, 0 to 1. */
const methods = [
  ['mustdrop', 'MustDrop', 0.55],
  ['fastv', 'FastV', 0.35],
  ['sparsevlm', 'SparseVLM v1.5', 0.5],
  ['sparsevlm-2', 'SparseVLM v2.0', 0.52],
  ['tome', 'ToMe', 0.3],
  ['random', 'Random', 0.15],
  ['uniform', 'Uniform pooling', 0.28],
  ['cls-top-k', 'CLS top-k', 0.2],
] as const;
const budgets = [192, 128, 64];

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const conditions: EvaluationCondition[] = [
  { id: 'none', method: 'none', title: 'No pruning', parameters: {} },
  ...methods.flatMap(([method, title]) =>
    budgets.map(budget => ({
      id: `${method}@${budget}`,
      method,
      title,
      budget,
      counted: 'entering' as const,
      parameters: {},
    })),
  ),
];

export function syntheticEvaluation(): Evaluation {
  const random = generator(7);
  const difficulty = Array.from({ length: questions }, random);
  return {
    metadata: {
      kind: evaluationKind,
      schema: evaluationSchemaVersion,
      id: '5e7',
      created: '2026-11-25T12:00:00.000Z',
      producer: { name: 'fovea', version: '0.1.0' },
      status: { state: 'complete' },
      model: { name: 'synthetic', folder: '/m', bundled: false, digest: '00', visualTokens: 576, decoderLayers: 12 },
      engine: { device: 'cpu', hardware: 'none', threads: 2, jobs: 1 },
      set: { name: 'synthetic.jsonl', path: '/sets/synthetic.jsonl', digest: '01', size: 600, bundled: false },
      questions,
      conditions,
      maxNewTokens: 16,
      matching: 'exact: the same characters',
      macFormula: 'F3',
      problems: [{ line: 12, message: 'The image gone.png is not there or no file.' }],
    },
    questions: difficulty.map((_, index) => ({
      id: `q${index}`,
      image: `images/${index % 40}.webp`,
      question: `What is number ${index}?`,
      answers: [`thing ${index}`],
      kind: kinds[index % kinds.length]!,
    })),
    outcomes: conditions.map(condition =>
      difficulty.map((hard, question) => outcome(condition, hard + 0.2 * (random() - 0.5), question)),
    ),
  };
}

function outcome({ method, budget = 576 }: EvaluationCondition, hard: number, question: number): EvaluationOutcome {
  const least = methods.find(([name]) => name === method)?.[2] ?? 0;
  const skill = method === 'none' ? 0.82 : least + (0.8 - least) * Math.sqrt((budget - 40) / 536);
  const correct = hard < skill;
  const entering = method === 'fastv' && budget < 576 ? budget + 9 : budget;
  return {
    answer: correct ? `thing ${question}` : `thing ${(question * 7) % 91}`,
    correct,
    entering,
    leaving: budget,
    macs: { prefill: entering * 2e7, decode: 6e7 },
    kvBytes: entering * 36864,
    ms: { vision: 60, prefill: 12 + entering * 0.28, decode: 40 },
    answerTokens: 3,
  };
}
