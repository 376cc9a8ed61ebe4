// The data of an event in the form in which contents are compared (contract 2): in `weir.*` events, two
// spellings of one instant are equal; the data of usage events are compared as the producer wrote them.

import { formatInstant, parseInstant } from '../time.js'

/** The members of the data of `weir.*` events that hold an instant. */
const instantFields = [
  'effective_from',
  'effective_until',
  'billing_anchor',
  'trial_until',
  'due_at',
  'time',
] as const

type Data = Readonly<Record<string, unknown>>

export function comparedData(type: string, data: Data): Data {
  if (!type.startsWith('weir.')) return data
  let compared: Record<string, unknown> | undefined
  for (const name of instantFields) {
    const written = data[name]
    if (typeof written !== 'string') continue
    const instantNs = parseInstant(written)
    if (instantNs === undefined) continue
    compared ??= { ...data }
    compared[name] = formatInstant(instantNs)
  }
  return compared ?? data
}
