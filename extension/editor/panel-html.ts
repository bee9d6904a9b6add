export interface PanelPage {
  /** The webview's own origin for `img-src`, `style-src`, `font-src`. */
  readonly cspSource: string;
  readonly script: string;
  readonly style: string;
  /** Fresh for every page, from a cryptographic source. */
  readonly nonce: string;
  /** BCP 47, for screen readers. */
  readonly language: string;
  readonly title: string;
}

/** The panel's document. The script fills the body; nothing is fetched and nothing inline is allowed. */
export function panelHtml({ cspSource, script, style, nonce, language, title }: PanelPage): string {
  const policy = [
    "default-src 'none'",
    `img-src ${cspSource} blob: data:`,
    `style-src ${cspSource}`,
    `font-src ${cspSource}`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${escapeHtml(style)}">
</head>
<body>
<script nonce="${escapeHtml(nonce)}" src="${escapeHtml(script)}"></script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, character => entities[character] ?? character);
}
