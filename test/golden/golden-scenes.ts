import { readFileSync } from 'node:fs';

/** One question about one sample, as golden.json has it. */
export interface GoldenScene {
  readonly file: string;
  /** Of the file with its golden tensors. */
  readonly stem: string;
  readonly question: string;
  readonly cross_generated: string;
  /** Absent for an animation, as are FlexAttention's. */
  readonly generated?: string;
  readonly flex_generated?: string;
  readonly frames?: number;
}

const { scenes: read } = JSON.parse(readFileSync(new URL('golden.json', import.meta.url), 'utf8')) as {
  scenes: Omit<GoldenScene, 'stem'>[];
};

export const scenes: readonly GoldenScene[] = read.map(scene => ({ ...scene, stem: scene.file.replace(/\.\w+$/, '') }));

/** The still ones, which the base and FlexAttention were asked about, too. */
export const stills = scenes.flatMap(({ generated, flex_generated, ...scene }) =>
  generated === undefined || flex_generated === undefined ? [] : [{ ...scene, generated, flex_generated }],
);

/** Those whose features and attention are golden, too. */
export const withAttention = stills.slice(0, 6);
