// The catalog's meters as the scanner meets them: at which paths of `data` to look, and what each kind of event is read
// for. The counterpart of normalize.ts for events that are `plain`.
// Invariant: a reading that is made here is the one that normalize makes; what it would refuse, or read in another way
// than by its plain digits, is left to it.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import type { Aggregation, Meter } from '../../../schemas/catalog/catalog.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { wholeLimit } from '../../../schemas/money/decimal-words.js'
import { type ScannedEvents, valueKinds } from './scanned-events.js'

export interface PlainMeter {
  readonly meter: Meter
  /** -1: it reads no value. */
  readonly valueSlot: number
  readonly filters: readonly { readonly slot: number; readonly accepted: ReadonlySet<string> }[]
  /** Slots, in the order of the names. */
  readonly dimensions: readonly number[]
  /** Meters of the same dimensions share one list. */
  readonly dimensionNames: readonly string[]
}

/** The meters that want an event. One object for each combination, so that it can be compared and kept. */
export interface PlainMatch {
  /** Its own: no two matches share one. */
  readonly number: number
  readonly type: string
  readonly meters: readonly PlainMeter[]
  /** Of all of them, each once. */
  readonly dimensionSlots: readonly number[]
  /** Whether each of them can be read and added up plainly. */
  readonly isPlain: boolean
}

export interface PlainType {
  readonly bytes: Uint8Array
  readonly all: PlainMatch
  readonly hasFilters: boolean
  readonly byMask: Map<number, PlainMatch>
}

/** Bits of a mask. */
const maxMeters = 30

export class PlainCatalog {
  readonly paths: readonly (readonly string[])[]
  readonly types: readonly PlainType[]

  constructor(catalog: CatalogIndex) {
    const paths = new Map<string, { readonly slot: number; readonly path: readonly string[] }>()
    const slotOf = (path: readonly string[]): number => {
      const key = JSON.stringify(path)
      const known = paths.get(key) ?? { slot: paths.size, path }
      paths.set(key, known)
      return known.slot
    }
    const names = new Map<string, readonly string[]>()
    const sharedNames = (own: readonly string[]): readonly string[] => {
      const key = JSON.stringify(own)
      const known = names.get(key) ?? own
      names.set(key, known)
      return known
    }
    this.types = catalog.eventTypes().map(type => {
      const meters = catalog.metersOfType(type).map(meter => plainMeter(meter, slotOf, sharedNames))
      const hasFilters = meters.some(({ filters }) => filters.length > 0)
      return { bytes: Buffer.from(type), all: matchOf(type, meters), hasFilters, byMask: new Map() }
    })
    this.paths = [...paths.values()].map(({ path }) => path)
  }
}

function plainMeter(
  meter: Meter,
  slotOf: (path: readonly string[]) => number,
  sharedNames: (names: readonly string[]) => readonly string[],
): PlainMeter {
  return {
    meter,
    valueSlot: meter.aggregation === 'count' ? -1 : slotOf(meter.value ?? []),
    filters: [...meter.filters].map(([path, accepted]) => ({
      slot: slotOf(path.replace(/^\$\./, '').split('.')),
      accepted: new Set(accepted),
    })),
    dimensions: meter.dimensions.map(name => slotOf(name.split('.'))),
    dimensionNames: sharedNames(meter.dimensions),
  }
}

let matches = 0

function matchOf(type: string, meters: readonly PlainMeter[]): PlainMatch {
  const isPlain = meters.length <= maxMeters && meters.every(({ meter }) => isAddedUp(meter.aggregation))
  const dimensionSlots = [...new Set(meters.flatMap(({ dimensions }) => dimensions))]
  matches += 1
  return { number: matches, type, meters, dimensionSlots, isPlain }
}

/** Nothing is needed of an event but its value, and that in any order. */
function isAddedUp(aggregation: Aggregation): boolean {
  return aggregation === 'sum' || aggregation === 'count'
}

/** The meters whose filters let the event through; undefined when a filter cannot be read plainly. */
export function matchEvent(type: PlainType, scan: ScannedEvents, event: number): PlainMatch | undefined {
  if (!type.hasFilters || !type.all.isPlain) return type.all
  let mask = 0
  const { meters } = type.all
  for (let i = 0; i < meters.length; i += 1) {
    const passes = passesFilters(meters[i]!, scan, event)
    if (passes === undefined) return undefined
    if (passes) mask |= 1 << i
  }
  let match = type.byMask.get(mask)
  if (match === undefined) {
    match = matchOf(
      type.all.type,
      meters.filter((_, i) => (mask & (1 << i)) !== 0),
    )
    type.byMask.set(mask, match)
  }
  return match
}

function passesFilters(meter: PlainMeter, scan: ScannedEvents, event: number): boolean | undefined {
  for (const { slot, accepted } of meter.filters) {
    const at = event * scan.slots + slot
    if (!isPlainScalar(scan, at)) return undefined
    const kind = scan.valueKind[at]
    if (kind === valueKinds.missing || kind === valueKinds.other) return false
    if (!accepted.has(textOf(scan.bytes, scan.valueFrom[at]!, scan.valueUntil[at]!))) return false
  }
  return true
}

/** Whether a dimension or filter reads as its own bytes: every number but a plain whole one has a text of its own. */
export function isPlainScalar(scan: ScannedEvents, at: number): boolean {
  if (scan.valueKind[at] !== valueKinds.number) return true
  const from = scan.valueFrom[at]!
  const until = scan.valueUntil[at]!
  if (until - from > 15) return false
  for (let i = from; i < until; i += 1) if (scan.bytes[i]! < zero || scan.bytes[i]! > nine) return false
  return true
}

const zero = 0x30
const nine = 0x39
const point = 0x2e
const minus = 0x2d
/** Exact in a double, and the shortest text of that double. */
const maxDigits = 15
const powers = Array.from({ length: 13 }, (_, digits) => 10 ** digits)
const bigPowers = Array.from({ length: 13 }, (_, digits) => 10n ** BigInt(digits))

/**
 * The value of a number, or of a text, that is written as the decimal that it is: no exponent, no zeros that could be
 * left out, at most 15 digits, 12 of them after the point. Undefined for any other.
 */
export function plainQuantity(bytes: Uint8Array, from: number, until: number): Scaled | undefined {
  const isNegative = bytes[from] === minus
  const first = isNegative ? from + 1 : from
  let mantissa = 0
  let pointAt = -1
  if (until - first > maxDigits + 1) return undefined
  for (let i = first; i < until; i += 1) {
    const byte = bytes[i]!
    if (byte >= zero && byte <= nine) mantissa = mantissa * 10 + (byte - zero)
    else if (byte === point && pointAt === -1 && i > first) pointAt = i
    else return undefined
  }
  const wholeUntil = pointAt === -1 ? until : pointAt
  const fraction = pointAt === -1 ? 0 : until - pointAt - 1
  if (wholeUntil === first || (bytes[first] === zero && wholeUntil > first + 1)) return undefined
  if (pointAt !== -1 && (fraction === 0 || bytes[until - 1] === zero)) return undefined
  if (until - first - (pointAt === -1 ? 0 : 1) > maxDigits || fraction > 12) return undefined
  if (isNegative && mantissa === 0) return undefined
  const product = mantissa * powers[12 - fraction]!
  const magnitude =
    product <= Number.MAX_SAFE_INTEGER ? BigInt(product) : BigInt(mantissa) * bigPowers[12 - fraction]!
  return isNegative ? -magnitude : magnitude
}

/** The same for a number of whole units, as the double that it is; -1 for any other. */
export function plainWhole(bytes: Uint8Array, from: number, until: number): number {
  const length = until - from
  if (length === 0 || length > maxDigits || (length > 1 && bytes[from] === zero)) return -1
  let units = 0
  for (let i = from; i < until; i += 1) {
    const byte = bytes[i]!
    if (byte < zero || byte > nine) return -1
    units = units * 10 + (byte - zero)
  }
  return units < wholeLimit ? units : -1
}

/** The text of a span of UTF-8. */
export function textOf(bytes: Uint8Array, from: number, until: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).toString('utf8')
}
