/** What a tree of Linux processes consists of, and whom it talks to. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** `root` and all its living descendants. */
export function processTree(root: number): ProcessInfo[] {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid=,args=', '-ww'], { encoding: 'utf8' })
    .split('\n')
    .map(line => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter(match => match !== null)
    .map(match => ({ pid: Number(match[1]), parent: Number(match[2]), command: match[3] ?? '' }));
  const tree: ProcessInfo[] = all.filter(({ pid }) => pid === root);
  // `for of` sees what is appended while it runs.
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

/** Paths of the native libraries that a process has loaded. */
export function loadedLibraries(pid: number): string[] {
  const paths = fs.readFileSync(`/proc/${pid}/maps`, 'utf8').match(/\/\S+\.(node|so)\S*$/gm) ?? [];
  return [...new Set(paths)];
}

const loopback = /^(0{8}|0100007F|0{32}|0{24}01000000|0{16}FFFF00000100007F)$/;

/** Remote ends, as the kernel prints them, of sockets of these processes that are not on this machine. */
export function outsideConnections(processes: readonly ProcessInfo[]): string[] {
  const remoteOfInode = new Map<string, string>();
  for (const table of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const lines = fs.readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1);
    for (const line of lines) {
      const fields = line.trim().split(/\s+/);
      const [address = ''] = (fields[2] ?? '').split(':');
      if (!loopback.test(address)) remoteOfInode.set(fields[9] ?? '', `${table} ${fields[2] ?? ''}`);
    }
  }
  return processes.flatMap(({ pid, command }) =>
    socketInodes(pid)
      .map(inode => remoteOfInode.get(inode))
      .filter(remote => remote !== undefined)
      .map(remote => `${command}: ${remote}`),
  );
}

function socketInodes(pid: number): string[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .map(descriptor => readLink(`/proc/${pid}/fd/${descriptor}`))
      .map(target => /^socket:\[(\d+)\]$/.exec(target)?.[1])
      .filter(inode => inode !== undefined);
  } catch {
    return []; // The process has ended meanwhile.
  }
}

function readLink(link: string): string {
  try {
    return fs.readlinkSync(link);
  } catch {
    return ''; // The descriptor has been closed meanwhile.
  }
}
