// Filters of a meter: which values of a field of `data` it counts. How they are read, written, described and applied.
// Invariants: a written filter is read back equal; a filter that lets nothing through is refused; numbers are compared
// exactly, however many digits an event writes.
//
// A list names the values that count: `region: [eu, us]`. A mapping has conditions, all of which hold:
// `tokens: { gte: "10", lt: "100", not: [50] }`. A field that is missing, null, an object or a list has no value: a list
// and a range turn it away, `not` alone lets it through, because it is none of those values.

import { z } from 'zod'
import { comparableField, decimalField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { decimalParts } from '../money/decimal-text.js'
import { asMap, FieldReader, readComparable } from './catalog-reader.js'
import type { MapNode, Problems, SourceNode } from './catalog-source.js'
import { decimal, type Wire } from './models/model-shape.js'

/** Either `anyOf` alone, or one or more of the others. */
export interface MeterFilter {
  readonly anyOf?: readonly string[]
  readonly not?: readonly string[]
  readonly gt?: Scaled
  readonly gte?: Scaled
  readonly lt?: Scaled
  readonly lte?: Scaled
}

/** By dotted path into `data`. */
export type MeterFilters = ReadonlyMap<string, MeterFilter>

const bounds = ['gt', 'gte', 'lt', 'lte'] as const
const anySign = { sign: 'any' } as const

export function readFilters(reader: FieldReader, problems: Problems): MeterFilters {
  const filters = new Map<string, MeterFilter>()
  const node = reader.field('filters')
  const map = node === undefined ? undefined : asMap(node, 'The field filters', problems)
  for (const [path, { value }] of map?.members ?? []) {
    filters.set(
      path,
      value.kind === 'map' ? readConditions(value, problems) : { anyOf: readValues(value, problems) },
    )
  }
  return filters
}

function readValues(node: SourceNode, problems: Problems): string[] {
  const nodes = node.kind === 'list' ? node.items : [node]
  if (nodes.length === 0) problems.add(node, 'missing_field', 'A filter has at least one value.')
  return nodes
    .map(item => readComparable(item, 'A filter value', problems))
    .filter(value => value !== undefined)
}

function readConditions(map: MapNode, problems: Problems): MeterFilter {
  const reader = new FieldReader(map, problems)
  const not = reader.field('not')
  const filter: MeterFilter = {
    ...(not === undefined ? {} : { not: readValues(not, problems) }),
    ...Object.fromEntries(
      bounds.map(name => [name, reader.decimal(name, anySign)]).filter(([, value]) => value !== undefined),
    ),
  }
  reader.refuseOthers('a filter, whose accepted values are a list by themselves')
  if (map.members.size === 0)
    problems.add(map, 'missing_field', 'A filter has a list of values, or a condition.')
  refuseTwice(reader, 'gt', 'gte')
  refuseTwice(reader, 'lt', 'lte')
  if (isEmpty(filter)) problems.add(map, 'empty_range', `No number is ${wordsOf(filter)}.`)
  return filter
}

function refuseTwice(reader: FieldReader, strict: string, inclusive: string): void {
  if (reader.has(strict) && reader.has(inclusive))
    reader.fault(inclusive, 'invalid_value', `A filter has ${strict} or ${inclusive}, not both.`)
}

/** A text that passes; undefined: none need be there. */
export function passingText(filter: MeterFilter): string | undefined {
  return filter.anyOf?.[0] ?? passingNumber(filter)
}

function isEmpty(filter: MeterFilter): boolean {
  return bounds.some(name => filter[name] !== undefined) && passingNumber(filter) === undefined
}

/** The first number of 12 places in the range, from its lower end, else from its upper one. */
function passingNumber({ not = [], gt, gte, lt, lte }: MeterFilter): string | undefined {
  const least = gte ?? (gt === undefined ? undefined : gt + 1n)
  const most = lte ?? (lt === undefined ? undefined : lt - 1n)
  const first = least ?? most
  if (first === undefined) return undefined
  const step = least === undefined ? -1n : 1n
  // Of one more than are refused, one is not.
  for (let nth = 0; nth <= not.length; nth += 1) {
    const value = first + step * BigInt(nth)
    if (least !== undefined && most !== undefined && value > most) return undefined
    if (!not.includes(formatScaled(value))) return formatScaled(value)
  }
  return undefined
}

function wordsOf({ not, ...range }: MeterFilter): string {
  const sides = bounds.map(name => range[name] !== undefined && `${name} ${formatScaled(range[name])}`)
  return [...sides, not && `none of ${not.join(', ')}`].filter(Boolean).join(' and ')
}

export function filtersToWire(filters: MeterFilters): Wire {
  return Object.fromEntries([...filters].map(([path, filter]) => [path, filterToWire(filter)]))
}

function filterToWire({ anyOf, not, ...range }: MeterFilter): readonly string[] | Wire {
  if (anyOf !== undefined) return anyOf
  return {
    ...(not === undefined ? {} : { not }),
    ...Object.assign({}, ...bounds.map(name => decimal(name, range[name]))),
  }
}

const valuesField = z.union([comparableField, z.array(comparableField).min(1)])
const conditionsField = z
  .strictObject({
    not: valuesField.optional().meta({
      description: 'None of these; a field that is missing is none of them.',
    }),
    ...Object.fromEntries(bounds.map(name => [name, decimalField.optional()])),
  })
  .meta({ description: 'All of the conditions hold. A value that is no number is in no range.' })

export const filtersField = z.record(z.string(), z.union([valuesField, conditionsField]))

/** Whether a value passes, by its text (scalar-text.ts); undefined: the field has none. */
export function passOf({ anyOf, not, ...range }: MeterFilter): (text: string | undefined) => boolean {
  if (anyOf !== undefined) {
    const accepted = new Set(anyOf)
    return text => text !== undefined && accepted.has(text)
  }
  const refused = new Set(not)
  const inRange = rangeOf(range)
  return text => (text === undefined || !refused.has(text)) && inRange(text)
}

function rangeOf({ gt, gte, lt, lte }: MeterFilter): (text: string | undefined) => boolean {
  const least = gte ?? gt
  const most = lte ?? lt
  if (least === undefined && most === undefined) return () => true
  // Twice the bound, and one more where the bound itself is out: no number lies between.
  const from = least === undefined ? undefined : 2n * least + (gte === undefined ? 1n : 0n)
  const until = most === undefined ? undefined : 2n * most - (lte === undefined ? 1n : 0n)
  return text => {
    const twice = text === undefined ? undefined : twiceOf(text)
    return (
      twice !== undefined && (from === undefined || twice >= from) && (until === undefined || twice <= until)
    )
  }
}

/** More digits before the point than any bound has. */
const beyondBounds = 2n * 10n ** 38n

/**
 * Twice the scaled number; for one that lies between two scaled numbers, the odd number between. So it compares with twice
 * a bound exactly. Undefined for a text that is no decimal number.
 */
function twiceOf(text: string): bigint | undefined {
  const parts = decimalParts(text)
  if (parts === undefined) return undefined
  const { isNegative, digits, exponent } = parts
  if (digits === '') return 0n
  const kept = digits.length + exponent + 12
  const isBeyond = kept > 38
  const whole = kept <= 0 ? 0n : BigInt(isBeyond ? 0 : digits.slice(0, kept).padEnd(kept, '0'))
  const size = isBeyond ? beyondBounds : 2n * whole + (digits.length > kept ? 1n : 0n)
  return isNegative ? -size : size
}
