/** The last `limit` bytes of a stream, as text. */
export class OutputTail {
  private kept = Buffer.alloc(0);

  constructor(private readonly limit: number) {}

  append(chunk: Uint8Array): void {
    const all = Buffer.concat([this.kept, chunk]);
    this.kept = all.subarray(Math.max(0, all.length - this.limit));
  }

  /** Starts at a whole line when the beginning was cut off. */
  get text(): string {
    const text = this.kept.toString('utf8');
    if (this.kept.length < this.limit) return text.trim();
    const firstBreak = text.indexOf('\n');
    return text.slice(firstBreak >= 0 && firstBreak < text.length - 1 ? firstBreak + 1 : 0).trim();
  }
}
