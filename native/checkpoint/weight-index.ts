/** Where every weight of a checkpoint lies on disk. */

export type WeightType = 'F32' | 'F16' | 'BF16';

export interface Weight {
  /** Name in the file. */
  readonly name: string;
  /** Absolute path of the file, symbolic links resolved. */
  readonly file: string;
  readonly dtype: WeightType;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** Name in the file to its place. */
export type WeightIndex = ReadonlyMap<string, Weight>;
