import * as vscode from 'vscode';
import type { ByteSource } from '../../trace/reader.ts';

/** A file of any file system of VS Code. Those have no partial reads, so it is held in memory until closed. */
export async function openBytes(uri: vscode.Uri): Promise<ByteSource> {
  let bytes = await vscode.workspace.fs.readFile(uri);
  return {
    size: bytes.byteLength,
    read: (offset, length) => Promise.resolve(new Uint8Array(bytes.subarray(offset, offset + length))),
    close: () => {
      bytes = new Uint8Array();
      return Promise.resolve();
    },
  };
}
