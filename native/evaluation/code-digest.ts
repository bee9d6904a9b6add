import { fileURLToPath } from 'node:url';
import { sourceDigest } from './source-digest.ts';

/** Set by the bundler, since a bundle has no sources beside it. */
declare const foveaCodeDigest: string | undefined;

/** Of the code that answers are made by: other code, even within one version, may answer otherwise. */
export function codeDigest(): string {
  return typeof foveaCodeDigest === 'string'
    ? foveaCodeDigest
    : sourceDigest(fileURLToPath(new URL('..', import.meta.url)));
}
