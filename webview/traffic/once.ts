/** Says whether something must be drawn anew: its last key is remembered. */
export class Once {
  private key: string | undefined;

  /** @param parts everything that the drawing depends on */
  isNew(...parts: readonly (string | number | boolean | undefined)[]): boolean {
    const key = parts.join('|');
    if (key === this.key) return false;
    this.key = key;
    return true;
  }
}
