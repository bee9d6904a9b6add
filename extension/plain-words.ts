/** Words from traces, models, users and file names where VS Code would read more into them than letters. */

/** As a label or in the status bar: `$(name)` would be drawn as an icon. */
export function plainLabel(text: string): string {
  return text.replace(/\$\(/g, '\\$(');
}

/** As a notification: `[words](command:…)` would be a link, whose click runs any command of VS Code. */
export function plainMessage(text: string): string {
  return text.replace(/\]\(/g, '] (');
}
