import type { FurtherRun } from '../compare/comparison.ts';
import type { ComparedEntry, ToHost, ToPanel } from '../messages.ts';
import { PostedSource } from './posted-source.ts';

/** The sources of the runs next to the panel's own. */
export class FurtherSources {
  private readonly byAddress = new Map<string, PostedSource>();

  constructor(private readonly post: (message: ToHost) => void) {}

  /** Keeps the source of a run that is as it was, and that of one which can no longer be read: its pages stay. */
  take(entries: readonly ComparedEntry[]): FurtherRun[] {
    for (const [address, source] of this.byAddress)
      if (!entries.some(entry => entry.address === address)) {
        source.close();
        this.byAddress.delete(address);
      }
    return entries.map(({ run, address, name, content, problem }) => {
      let source = this.byAddress.get(address);
      if (content && source?.run !== run) {
        source?.close();
        source = new PostedSource(content.metadata, content.tensors, this.post, run);
        this.byAddress.set(address, source);
      }
      return { address, name, ...(source && { source }), ...(problem && { problem }) };
    });
  }

  /** Takes the answers among the host's messages. */
  receive(message: ToPanel): void {
    for (const source of this.byAddress.values()) source.receive(message);
  }
}
