/** What a method asks of a run whose text rows read a long visual input through gated cross-attention. */
export interface CrossAttentionPlan {
  /** `auto`: frames where there are several, else the image in high resolution. */
  readonly input: 'auto' | 'image' | 'frames';
  /** More are not read. */
  readonly mostFrames: number;
  /** Decoder layers before which rows read, ascending. */
  readonly layers: readonly number[];
  /** Tiles at each side of the large image. */
  readonly tiles: number;
  readonly notes: readonly string[];
}
