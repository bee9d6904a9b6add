/** What is written where, so that a chosen model takes effect. */
export interface ModelUpdate {
  readonly target: 'user' | 'workspace';
  /** undefined removes the setting. */
  readonly value: string | undefined;
}

/**
 * A setting of the workspace wins over the user's, so the choice goes where one already is. Removing it there would let
 * the user's come back; the bundled model is then named by an empty text.
 * @param folder empty for the bundled model
 */
export function modelUpdate(
  current: { readonly globalValue?: unknown; readonly workspaceValue?: unknown } | undefined,
  folder: string,
): ModelUpdate {
  const target = current?.workspaceValue === undefined ? 'user' : 'workspace';
  const emptyHides = target === 'workspace' && (current?.globalValue ?? '') !== '';
  return { target, value: folder === '' && !emptyHides ? undefined : folder };
}
