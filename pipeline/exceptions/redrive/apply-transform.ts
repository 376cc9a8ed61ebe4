// Makes the steps of a transform on one event. Pure: event in, mended event out.
// Invariants:
// 1. Numbers keep their digits: a value is moved or replaced, never computed with.
// 2. A step that does not apply leaves the whole event as it came, and says why.
// 3. Source and id never change.

import { isRecord } from '../../../schemas/json/json-text.js'
import { ExactNumber, numberOf } from '../../../schemas/money/exact-number.js'
import { formatInstant, nsOf, parseInstant, rangeEndMs } from '../../../schemas/time.js'
import type { Transform, TransformStep } from './transform.js'

/** An event as JSON: its attributes and its data. */
export type EventJson = Readonly<Record<string, unknown>>

export type Mended =
  | { readonly kind: 'mended'; readonly event: EventJson }
  | { readonly kind: 'left'; readonly code: LeftCode; readonly pointer: string; readonly detail: string }

export type LeftCode =
  | 'field_missing'
  | 'field_there'
  | 'value_not_in_table'
  | 'not_a_number'
  | 'not_a_text'
  | 'not_an_object'
  | 'time_missing'
  | 'time_out_of_range'
  | 'data_not_json'

type Left = Extract<Mended, { kind: 'left' }>

export function applyTransform(event: EventJson, transform: Transform): Mended {
  let now = event
  for (const step of transform) {
    const next = applyStep(now, step)
    if (next.kind === 'left') return next // invariant 2
    now = next.event
  }
  return { kind: 'mended', event: now }
}

function applyStep(event: EventJson, step: TransformStep): Mended {
  switch (step.step) {
    case 'set':
      return set(event, step)
    case 'rename':
      return rename(event, step)
    case 'map':
      return map(event, step)
    case 'cast':
      return cast(event, step)
    case 'set_type':
      return mended({ ...event, type: step.type })
    case 'set_customer':
      return mended({ ...event, subject: step.customer })
    case 'assign_subscription':
      return mended({ ...event, subscriptionid: step.subscription })
    case 'set_time':
      return mended({ ...event, time: step.time })
    case 'shift_time':
      return shift(event, step.by)
    default:
      return step satisfies never
  }
}

type Of<N extends TransformStep['step']> = Extract<TransformStep, { step: N }>

function set(event: EventJson, { field, value, when }: Of<'set'>): Mended {
  const isMissing = read(event, field) === undefined
  if ((when === 'missing' && !isMissing) || (when === 'present' && isMissing)) return mended(event)
  return write(event, field, value)
}

function rename(event: EventJson, { from, to }: Of<'rename'>): Mended {
  const value = read(event, from)
  if (value === undefined) return left('field_missing', from, 'The event has no such field.')
  if (read(event, to) !== undefined)
    return left('field_there', to, 'The event has a field of the new name already.')
  return write(removed(event, from), to, value)
}

function map(event: EventJson, { field, table, otherwise }: Of<'map'>): Mended {
  const value = read(event, field)
  if (value === undefined) return left('field_missing', field, 'The event has no such field.')
  const text = textOf(value)
  if (text !== undefined && Object.hasOwn(table, text)) return write(event, field, table[text])
  if (otherwise !== undefined) return write(event, field, otherwise)
  return left('value_not_in_table', field, `The table has nothing for ${shown(value)}.`)
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

function cast(event: EventJson, { field, to, remove = [] }: Of<'cast'>): Mended {
  const value = read(event, field)
  if (value === undefined) return left('field_missing', field, 'The event has no such field.')
  const text = textOf(value)
  if (text === undefined) return left('not_a_text', field, `${shown(value)} is neither a text nor a number.`)
  const cut = remove.reduce((rest, part) => rest.replaceAll(part, ''), text).trim()
  if (to === 'number') {
    if (!jsonNumber.test(cut)) return left('not_a_number', field, `${shown(value)} is not a number.`)
    return write(event, field, numberOf(cut)) // invariant 1
  }
  if (to === 'text') return write(event, field, remove.length > 0 ? cut : text)
  return typeof value === 'string'
    ? write(event, field, cut)
    : left('not_a_text', field, `${shown(value)} is not a text.`)
}

const durationParts = /^(-?)PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$/

function shift(event: EventJson, by: string): Mended {
  const timeNs = typeof event['time'] === 'string' ? parseInstant(event['time']) : undefined
  if (timeNs === undefined)
    return left('time_missing', '/time', 'The event has no time that could be shifted; use set_time.')
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = durationParts.exec(by)!
  const length = (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)) * 1_000_000_000n
  const shifted = sign === '-' ? timeNs - length : timeNs + length
  if (shifted < 0n || shifted >= nsOf(rangeEndMs))
    return left('time_out_of_range', '/time', 'The time would lie before 1970 or after 2199.')
  return mended({ ...event, time: formatInstant(shifted) })
}

/** Undefined when it is not there; null counts as not there. */
function read(event: EventJson, pointer: string): unknown {
  let at: unknown = event
  for (const key of keysOf(pointer)) {
    if (!isRecord(at) || !Object.hasOwn(at, key)) return undefined
    at = at[key]
  }
  return at ?? undefined
}

/** Objects on the way are made where they are missing. */
function write(event: EventJson, pointer: string, value: unknown): Mended {
  const [key = '', ...rest] = keysOf(pointer)
  const put = (into: EventJson, name: string, path: readonly string[], at: string): Mended => {
    const [next, ...further] = path
    if (next === undefined) return mended({ ...into, [name]: value })
    const below = (Object.hasOwn(into, name) ? into[name] : undefined) ?? {}
    if (!isRecord(below)) return left('not_an_object', at, `${shown(below)} is no object and has no fields.`)
    const inner = put(below, next, further, `${at}/${next}`)
    return inner.kind === 'left' ? inner : mended({ ...into, [name]: inner.event })
  }
  return put(event, key, rest, `/${key}`)
}

function removed(event: EventJson, pointer: string): EventJson {
  const cut = (from: EventJson, [key = '', ...rest]: readonly string[]): EventJson => {
    if (rest.length > 0) return { ...from, [key]: cut(from[key] as EventJson, rest) }
    return Object.fromEntries(Object.entries(from).filter(([name]) => name !== key))
  }
  return cut(event, keysOf(pointer))
}

function keysOf(pointer: string): string[] {
  return pointer
    .slice(1)
    .split('/')
    .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The text of a scalar, as its digits stand. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value instanceof ExactNumber) return value.text
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return text.length <= 64 ? text : `${text.slice(0, 64)}…`
}

function mended(event: EventJson): Extract<Mended, { kind: 'mended' }> {
  return { kind: 'mended', event }
}

function left(code: LeftCode, pointer: string, detail: string): Left {
  return { kind: 'left', code, pointer, detail: `${pointer}: ${detail}` }
}
