// What zod found wrong, in our words: the same sentence for the same fault in configurations, mappings and requests.
// A message that a schema gives itself is kept.

import type { z } from 'zod'

const kinds: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['object', 'a map'],
  ['record', 'a map'],
  ['array', 'a list'],
])

/** One sentence. `value`: the value at fault, where it is known. */
export function issueWords(issue: z.core.$ZodIssue): string {
  if (!/^(?:Invalid|Too |Unrecognized)/.test(issue.message)) return sentence(issue.message)
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && issue.message.endsWith('received undefined')
        ? `It is missing; it must be ${kinds.get(issue.expected) ?? issue.expected}.`
        : `It must be ${kinds.get(issue.expected) ?? issue.expected}.`
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `It must have ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum} ${unitOf(issue.origin)}.`
        : `It must be ${issue.inclusive === false ? 'above' : 'at least'} ${issue.minimum}.`
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `It must have at most ${issue.maximum} ${unitOf(issue.origin)}.`
        : `It must be ${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}.`
    case 'invalid_value':
      return `It must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}.`
    case 'invalid_format':
      return `It must be ${formats.get(issue.format) ?? `a text of the form ${issue.pattern ?? issue.format}`}.`
    case 'unrecognized_keys':
      return 'There is no such field.'
    default:
      return sentence(issue.message)
  }
}

const formats: ReadonlyMap<string, string> = new Map([
  ['url', 'a URL'],
  ['datetime', 'an RFC 3339 instant with an offset'],
  ['date', 'a date, YYYY-MM-DD'],
])

function unitOf(origin: string): string {
  return origin === 'string' ? 'characters' : 'items'
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}
