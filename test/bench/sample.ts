import path from 'node:path';

export const projectFolder = path.resolve(import.meta.dirname, '../..');

/** What all benchmarks run: the longest answer among the samples' usual questions. */
export const sample = {
  image: path.join(projectFolder, 'media/samples/scene-04.png'),
  question: 'Describe this picture.',
};
