/** Path of a Chromium, or undefined. The variable CHROMIUM goes first and must then be right. */
export function findChromium(): string | undefined;
/** As findChromium, but installs the Debian package when it can. Throws with what to do when it cannot. */
export function ensureChromium(): Promise<string>;
