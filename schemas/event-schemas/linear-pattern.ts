// The patterns of JSON Schemas, matched by RE2 (re2js): its time grows with the text alone, whatever the pattern.
// Invariant: no schema and no event holds up who checks with it. What RE2 has no form for (looking around, referring back) and a
// pattern that is too large are refused when the schema is compiled.

import { RE2JS } from 're2js'

const maxPatternLength = 1_000
/** Steps of the compiled pattern; a repetition counts as often as it repeats. */
const maxProgramSize = 2_000
/** A longer text fits no pattern. */
export const maxTestedLength = 32_768

interface LinearPattern {
  test(text: string): boolean
  /** Ajv keeps compiled patterns by this. */
  toString(): string
}

function compile(pattern: string): LinearPattern {
  if (pattern.length > maxPatternLength)
    throw new Error(`a pattern is longer than ${maxPatternLength} characters`)
  const compiled = compiledBy(pattern)
  if (compiled.programSize() > maxProgramSize) throw new Error(`the pattern ${pattern} repeats too much`)
  return {
    test: text => text.length <= maxTestedLength && compiled.test(text),
    toString: () => pattern,
  }
}

function compiledBy(pattern: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error)
    throw new Error(`the pattern ${pattern} cannot be matched in linear time (RE2: ${why})`)
  }
}

/** As Ajv takes another engine of regular expressions. `code` is for schemas that are compiled to files; none is here. */
export const linearPatterns = Object.assign(compile, { code: 'linearPattern' })
