/** How the tensors of a trace are described. */

export type TraceDtype = 'F64' | 'F32' | 'F16' | 'I32' | 'U8';
/** A symbolic axis of a tensor; its length follows from the metadata, except `bytes`. */
export type Axis =
  | 'visionLayers'
  | 'visionHeads'
  | 'patches'
  | 'rows'
  | 'layers'
  | 'heads'
  | 'visualTokens'
  | 'tokens'
  | 'groups'
  | 'inputHeight'
  | 'inputWidth'
  | 'channels'
  | 'stages'
  | 'scores'
  | 'steps'
  | 'selectionLayers'
  | 'cells'
  | 'highResolutionTokens'
  | 'highResolutionGroups'
  | 'extremes'
  | 'crossRows'
  | 'crossLayers'
  | 'crossHeads'
  | 'crossMaps'
  | 'crossTokens'
  | 'frames'
  | 'bytes';

export interface TensorSpec {
  readonly dtypes: readonly TraceDtype[];
  readonly axes: readonly Axis[];
  readonly required: boolean;
  readonly unit: string;
  readonly meaning: string;
  /** Whether values are probabilities, so that validation may check their range. */
  readonly probability: boolean;
  /** NaN stands for values that there are none of. */
  readonly maybeNaN?: true;
  /** The most bytes that the tensor may have, where its size does not follow from the metadata. */
  readonly largest?: number;
}
