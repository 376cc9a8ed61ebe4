// Reads a body of `application/x-www-form-urlencoded` as Stripe's clients write it: `payload[value]=25`.
// Invariants: bytes that are no UTF-8 after decoding are refused, never replaced; a name that comes twice is refused, so that
// of two values none is chosen.

import { decodeUtf8 } from '../../../schemas/json/json-text.js'
import { Problem } from '../../gateway/problem.js'

export interface FormFields {
  readonly plain: ReadonlyMap<string, string>
  /** The fields of each name that has any: `payload[a]` is `a` of `payload`. */
  readonly nested: ReadonlyMap<string, ReadonlyMap<string, string>>
}

const maxFields = 1_000
const nestedName = /^([^[\]]+)\[([^[\]]*)\]$/

/** Throws a `Problem` of 400 for what is no such form. */
export function readForm(body: Uint8Array): FormFields {
  const text = decodeUtf8(body)
  if (text === undefined) throw noForm('it is not UTF-8')
  const plain = new Map<string, string>()
  const nested = new Map<string, Map<string, string>>()
  const pairs = text.split('&').filter(pair => pair !== '')
  if (pairs.length > maxFields) throw noForm(`it has more than ${maxFields} fields`)
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = decoded(at === -1 ? pair : pair.slice(0, at))
    const value = decoded(at === -1 ? '' : pair.slice(at + 1))
    const match = nestedName.exec(name)
    const place = match === null ? plain : (nested.get(match[1]!) ?? new Map<string, string>())
    if (match !== null) nested.set(match[1]!, place as Map<string, string>)
    const key = match === null ? name : match[2]!
    if (place.has(key) && key !== '') throw noForm(`it has ${name} twice`)
    place.set(key, value)
  }
  return { plain, nested }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (error) {
    if (error instanceof URIError) throw noForm('a field is not percent-encoded UTF-8')
    throw error
  }
}

function noForm(why: string): Problem {
  return new Problem('invalid_request', `The body is no form: ${why}.`)
}
