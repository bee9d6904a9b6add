/** The tensors that hold what became of the visual tokens; `fates.ts` says what the values mean. */
import type { TensorSpec } from './tensor-spec.ts';

export const fateTensorSpecs = {
  'fates.fate': {
    dtypes: ['U8'],
    axes: ['stages', 'patches'],
    required: false,
    probability: false,
    unit: 'index into kept, merged, dropped, rescued, absent',
    meaning: 'What a stage of the token method did with the visual token that the patch is part of',
  },
  'fates.reason': {
    dtypes: ['U8'],
    axes: ['stages', 'patches'],
    required: false,
    probability: false,
    unit: 'index into the reasons of the stage; 255: none',
    meaning: 'Why',
  },
  'fates.key': {
    dtypes: ['U8'],
    axes: ['stages', 'patches'],
    required: false,
    probability: false,
    unit: '0 or 1',
    meaning: 'Whether the token belongs to the key set when the stage ends',
  },
  'fates.token': {
    dtypes: ['I32'],
    axes: ['stages', 'patches'],
    required: false,
    probability: false,
    unit: 'index; -1: none',
    meaning: 'The visual token that the patch is part of after the stage, in the order of the sequence',
  },
  'fates.weight': {
    dtypes: ['F32'],
    axes: ['stages', 'patches'],
    required: false,
    probability: true,
    unit: 'share',
    meaning: 'How much of that token the patch makes up; the patches of a token sum to 1',
  },
  'fates.partner': {
    dtypes: ['I32'],
    axes: ['stages', 'patches'],
    required: false,
    probability: false,
    unit: 'patch; -1: none',
    meaning: 'Where the stage merged two by two: a patch of the token that this one was merged into',
  },
  'fates.scores': {
    dtypes: ['F32'],
    axes: ['scores', 'patches'],
    required: false,
    probability: false,
    maybeNaN: true,
    unit: 'as the score says; NaN where the token had none',
    meaning: 'Scores of all stages, one after the other, painted on the patches of each token',
  },
} as const satisfies Record<string, TensorSpec>;
