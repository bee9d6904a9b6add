import path from 'node:path';

/**
 * The absolute path that a folder setting means: `${workspaceFolder}` and a leading `~` are replaced, relative paths
 * start at the workspace folder.
 * @returns undefined when it needs a workspace folder and none is open
 */
export function folderPath(setting: string, workspaceFolder: string | undefined, home: string): string | undefined {
  const variable = '${workspaceFolder}';
  const text = setting.trim().replace(/^~(?=$|[\\/])/, () => home);
  if (text.includes(variable)) {
    return workspaceFolder === undefined ? undefined : path.normalize(text.replaceAll(variable, () => workspaceFolder));
  }
  if (path.isAbsolute(text)) return path.normalize(text);
  return workspaceFolder === undefined ? undefined : path.join(workspaceFolder, text);
}
