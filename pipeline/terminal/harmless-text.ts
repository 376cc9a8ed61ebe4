// Text for a terminal. Ids, customers and reasons are what producers sent, and may hold characters that move the cursor,
// clear the screen or turn the direction of writing.
// Invariant: of such characters only line feeds, tabs and the colours of our own pages reach the terminal; the others are
// shown as JSON writes them.

/** Bold, dim, red to cyan, and their ends. */
const ownColours = String.raw`\u001b\[(?:0|1|2|22|3[1-69])m`
const control = String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]`
const colourOrControl = new RegExp(`${ownColours}|${control}`, 'g')

export function harmlessText(text: string): string {
  return text.replace(colourOrControl, found =>
    found.length > 1 ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** For a cell or a fact of a page: a line feed in it would begin a line that reads as one of ours. */
export function oneLine(text: string): string {
  return harmlessText(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t')
}
