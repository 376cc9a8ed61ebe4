// The catalog's meters in the form that the scanner uses: which paths of `data` to look at, and which meters
// want an event. normalize.ts decides what a meter reads there.

import { whyNotAddedUp } from '../../../rating/aggregations/added-up.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { aggregationFacts } from '../../../schemas/catalog/aggregations.js'
import type { Meter } from '../../../schemas/catalog/catalog.js'
import { type Expression, parseExpression } from '../../../schemas/catalog/expression.js'
import { passOf } from '../../../schemas/catalog/meter-filter.js'
import { eventAggregation } from '../../../schemas/catalog/meter-window.js'

/** A path of `data`, and the slot that its value is noted in. */
export interface PathSlot {
  readonly path: readonly string[]
  readonly slot: number
}

/** A list of values, which is what nearly every filter is, or conditions. */
export type FilterSlot = PathSlot &
  (
    | { readonly accepted: ReadonlySet<string> }
    | { readonly accepted: undefined; readonly passes: (text: string | undefined) => boolean }
  )

/** Where a derived value comes from (rate/derived-value.ts). */
export interface DerivedSlots {
  readonly inputs: readonly PathSlot[]
  /** Undefined: the texts of the inputs together. */
  readonly expression: Expression | undefined
  /** What the event does with the text. */
  readonly operation?: PathSlot
}

export interface MeterSlots {
  readonly meter: Meter
  /** True: the value of any scalar, as text, or what is derived. False: a quantity. */
  readonly readsText: boolean
  /** Undefined when the meter reads no value. Of a derived value the slot that takes what is read. */
  readonly value: PathSlot | undefined
  /** Set where more than one plain value is read, or something is computed of it; `readsText` is then true. */
  readonly derived: DerivedSlots | undefined
  readonly filters: readonly FilterSlot[]
  /** In the order of the dimensions' names. */
  readonly dimensions: readonly PathSlot[]
  /** Meters with the same dimensions share one list. */
  readonly dimensionNames: readonly string[]
}

/**
 * A set of meters that want an event. Each combination has one object, so matches can be compared by identity
 * and kept.
 */
export class MeterMatch {
  /** Unique to this match. */
  readonly number: number
  readonly type: string
  readonly meters: readonly MeterSlots[]
  /** Whether rating needs only the event's values, in any order. */
  readonly isAddedUp: boolean
  readonly #longer = new Map<MeterSlots, MeterMatch>()

  constructor(type: string, meters: readonly MeterSlots[]) {
    matches += 1
    this.number = matches
    this.type = type
    this.meters = meters
    this.isAddedUp = meters.every(({ meter }) => whyNotAddedUp(meter) === undefined)
  }

  /** These meters and one more. */
  with(meter: MeterSlots): MeterMatch {
    const known = this.#longer.get(meter)
    if (known !== undefined) return known
    const longer = new MeterMatch(this.type, [...this.meters, meter])
    this.#longer.set(meter, longer)
    return longer
  }
}

let matches = 0

export interface MeteredType {
  readonly bytes: Uint8Array
  readonly meters: readonly MeterSlots[]
  /** The match without any meter. */
  readonly none: MeterMatch
  /** The match of all meters, if no filter decides; else undefined. */
  readonly all: MeterMatch | undefined
}

export class MeterCatalog {
  readonly paths: readonly (readonly string[])[]
  readonly types: readonly MeteredType[]

  constructor(catalog: CatalogIndex) {
    const slots = new Map<string, PathSlot>()
    // A text and a quantity get separate slots, because normalize writes what it reads back into the slot.
    const slotOf = (path: readonly string[], use = 'text'): PathSlot => {
      const key = JSON.stringify([use, ...path])
      const known = slots.get(key) ?? { path, slot: slots.size }
      slots.set(key, known)
      return known
    }
    const names = new Map<string, readonly string[]>()
    const sharedNames = (own: readonly string[]): readonly string[] => {
      const key = JSON.stringify(own)
      const known = names.get(key) ?? own
      names.set(key, known)
      return known
    }
    this.types = catalog.eventTypes().map(type => {
      const meters = catalog.metersOfType(type).map(meter => slotsOf(meter, slotOf, sharedNames))
      const isFiltered = meters.some(({ filters }) => filters.length > 0)
      const none = new MeterMatch(type, [])
      const all = isFiltered ? undefined : meters.reduce((match, meter) => match.with(meter), none)
      return { bytes: Buffer.from(type), meters, none, all }
    })
    this.paths = [...slots.values()].map(({ path }) => path)
  }
}

function slotsOf(
  meter: Meter,
  slotOf: SlotOf,
  sharedNames: (names: readonly string[]) => readonly string[],
): MeterSlots {
  const { reads } = aggregationFacts[eventAggregation(meter)]
  const derived = derivedSlots(meter, slotOf)
  return {
    meter,
    readsText: reads === 'text' || derived !== undefined,
    value: derived?.inputs[0] ?? (meter.value === undefined ? undefined : slotOf(meter.value, reads)),
    derived,
    filters: [...meter.filters].map(([path, filter]) => ({
      ...slotOf(path.replace(/^\$\./, '').split('.')),
      ...(filter.anyOf === undefined
        ? { accepted: undefined, passes: passOf(filter) }
        : { accepted: new Set(filter.anyOf) }),
    })),
    dimensions: meter.dimensions.map(name => slotOf(name.split('.'))),
    dimensionNames: sharedNames(meter.dimensions),
  }
}

type SlotOf = (path: readonly string[], use?: string) => PathSlot

/** The slots are the meter's own, because the first of them takes what is derived. */
function derivedSlots(
  { meter, value, values, expression, convert, operation }: Meter,
  slotOf: SlotOf,
): DerivedSlots | undefined {
  const own = (paths: readonly (readonly string[])[]) => paths.map(path => slotOf(path, `meter ${meter}`))
  if (operation !== undefined) {
    const [done, ...inputs] = own([operation, ...(values ?? [value!])])
    return { inputs, expression: undefined, operation: done! }
  }
  if (values !== undefined) return { inputs: own(values), expression: undefined }
  if (expression !== undefined) {
    const parsed = parseExpression(expression)
    if (parsed.kind === 'invalid') throw new Error(`The expression of the meter ${meter} was not checked.`)
    return { inputs: own(parsed.expression.fields), expression: parsed.expression.root }
  }
  if (value === undefined || convert?.round === undefined) return undefined
  return { inputs: own([value]), expression: { kind: 'field', field: 0 } }
}
