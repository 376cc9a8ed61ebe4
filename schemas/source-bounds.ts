// What a YAML or JSON text must keep to before it is parsed: the YAML parser recurses, and takes minutes and gigabytes
// for a text of a few megabytes that is nested deeply. Catalogs and configurations are held against this first.
// Invariant: one pass over the text, whatever it holds.

/** Characters. */
export const maxSourceLength = 8_000_000

/** Brackets, indents and indicators inside each other; a catalog needs ten. */
const maxNesting = 128

export interface SourceBoundProblem {
  /** From 1. */
  readonly line: number
  readonly code: 'source_too_large' | 'source_too_deep'
  readonly message: string
}

const lineFeed = 10
const space = 32
const minus = 45
const colon = 58
const question = 63

/** What is wrong with the size or the nesting of the text; undefined when it may be parsed. */
export function sourceBoundProblem(text: string): SourceBoundProblem | undefined {
  if (text.length > maxSourceLength) {
    const message = `The text has more than ${maxSourceLength} characters; split it into several files.`
    return { line: 1, code: 'source_too_large', message }
  }
  const indents: number[] = []
  let brackets = 0
  let line = 1
  for (let start = 0; start < text.length; line += 1) {
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    let at = start
    while (text.charCodeAt(at) === space) at += 1
    let indicators = 0
    if (brackets === 0 && at < end) {
      while ((indents.at(-1) ?? -1) >= at - start) indents.pop()
      indents.push(at - start)
    }
    for (; at < end; at += 1) {
      const char = text.charCodeAt(at)
      // `[ ] { }`: a bracket within a text counts too; the limit is high enough for the texts of a catalog.
      if (char === 91 || char === 123) brackets += 1
      else if (char === 93 || char === 125) brackets = Math.max(0, brackets - 1)
      else if (brackets === 0 && isIndicator(char) && endsWord(text.charCodeAt(at + 1))) indicators += 1
      if (indents.length + brackets + indicators > maxNesting) {
        return { line, code: 'source_too_deep', message: 'The text is nested too deeply.' }
      }
    }
    start = end + 1
  }
  return undefined
}

/** What opens a further level on the same line: `- - a`, `? ? a`, `a: b: c`. */
function isIndicator(char: number): boolean {
  return char === minus || char === colon || char === question
}

function endsWord(char: number): boolean {
  return char === space || char === lineFeed || char === 9 || char === 13 || Number.isNaN(char)
}
