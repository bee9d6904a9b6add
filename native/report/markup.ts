/** HTML that is safe by construction: whatever is put into `markup` is text unless it is markup already. */

export class Markup {
  constructor(readonly text: string) {}
}

type Value = string | number | Markup | readonly Markup[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Embeddings, overrides and isolates; marks stay, which right-to-left text needs. */
const directions = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Control characters are shown as their pictures (U+2400 …): a parser would drop or replace them. So are characters that
 * override the direction of what follows, by their codes: a name would seem to be another one.
 */
export function escapeHtml(text: string): string {
  return (
    text
      // Half of a surrogate pair has no UTF-8.
      .replace(/\p{Surrogate}/gu, '\ufffd')
      .replace(/[&<>"']/g, character => entities[character]!)
      .replace(/[\0-\x08\x0b-\x1f\x7f]/g, character => {
        const code = character.charCodeAt(0);
        return code === 0x7f ? '\u2421' : String.fromCharCode(0x2400 + code);
      })
      .replace(directions, character => `[U+${character.charCodeAt(0).toString(16).toUpperCase()}]`)
  );
}

export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const parts = strings.map((literal, index) => literal + (index < values.length ? markupOf(values[index]!) : ''));
  return new Markup(parts.join(''));
}

function markupOf(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (typeof value !== 'object') return escapeHtml(String(value));
  // What comes out of a trace may only look like a list of markup.
  return (value as readonly unknown[])
    .map(one => (one instanceof Markup ? one.text : escapeHtml(String(one))))
    .join('');
}

/** Text of the user or of the model: isolated, so that its direction does not reorder what is around it. */
export const isolated = (text: string): Markup => markup`<bdi>${text}</bdi>`;

/** One line without direction controls, for where no element can isolate it: the title of the document. */
export function plainLine(text: string): string {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '').replace(/\s+/g, ' ');
}

/** JSON as the text of a script element, which only `</script` and `<!--` could leave. */
export function scriptJson(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replaceAll('<', '\\u003c'));
}

/** Code of a bundle as the text of a script or style element. */
export function inlineCode(code: string): string {
  return code
    .replaceAll('\r\n', '\n')
    .replace(/<\/(script|style)/gi, '<\\/$1')
    .replaceAll('<!--', '<\\!--');
}
