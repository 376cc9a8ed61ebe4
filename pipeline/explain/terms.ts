// Which version of the subscription held at the event's time and why not another, which change set each field, and the
// arithmetic of the charge, from the catalog and the changes as they were received.
// Invariant: an arithmetic is told only where it comes to the sum of the rows in ClickHouse, to the last digit.

import type { JetStreamManager } from '@nats-io/jetstream'
import { isLevel } from '../../rating/aggregations/registry.js'
import { type Accumulator, addSample, newAccumulator } from '../../rating/charges/accumulator.js'
import { raterOf } from '../../rating/charges/rater.js'
import { explainUsage } from '../../rating/explain/explain-usage.js'
import { type Explanation, explanationToWire } from '../../rating/explain/explanation.js'
import { explanationToText } from '../../rating/explain/explanation-text.js'
import { groupOf } from '../../rating/models/grouped/group.js'
import { cellOf } from '../../rating/models/registry.js'
import { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import { resolvePrices, type Segment, segmentAt } from '../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../rating/timeline/timeline.js'
import type { Catalog, UsagePrice } from '../../schemas/catalog/catalog.js'
import { mergeCatalogs } from '../../schemas/catalog/catalog-parser.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { parseLifecycleEvent, type SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { basisOf } from '../core/rate/basis.js'
import type { ChargeKey, ChargeSample, ChargeSums } from './charge-rows.js'
import { decodedEvents } from './received.js'

/** The catalog as published, read from its stream once and kept up with. */
export class PublishedCatalog {
  readonly #jsm: JetStreamManager
  #catalog: Catalog = { meters: [], plans: [] }
  #index = new CatalogIndex(this.#catalog)
  #sequence = 0
  #reading: Promise<void> = Promise.resolve()

  constructor(jsm: JetStreamManager) {
    this.#jsm = jsm
  }

  async index(): Promise<CatalogIndex> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#readOn())
    await this.#reading
    return this.#index
  }

  async #readOn(): Promise<void> {
    const before = this.#catalog
    for (;;) {
      const query = { seq: this.#sequence + 1, next_by_subj: 'catalog.published' }
      const message = await this.#jsm.streams.getMessage('CATALOG', query)
      if (message === null) break
      for (const one of decodedEvents(message, 'CATALOG')) {
        const parsed = one.kind === 'event' ? parseLifecycleEvent(one.event) : undefined
        if (parsed?.kind !== 'ok' || parsed.value.kind !== 'catalog_published') continue
        const merged = mergeCatalogs(this.#catalog, parsed.value.catalog)
        if (merged.kind !== 'conflict') this.#catalog = merged.catalog
      }
      this.#sequence = message.seq
    }
    if (this.#catalog !== before) this.#index = new CatalogIndex(this.#catalog)
  }
}

export interface ArithmeticWire {
  readonly quantity_before: string | null
  readonly quantity_after: string | null
  readonly amount_before: string
  readonly amount_after: string
  readonly events_in_commit: number
  /** Of the charge as it stands, line by line; null where it cannot be told. */
  readonly steps: ReturnType<typeof explanationToWire>['steps'] | null
  readonly text: readonly string[]
  readonly not_shown: string | null
}

interface Question {
  readonly charge: ChargeKey
  /** Of the charge. */
  readonly currency: string
  readonly meter: string
  readonly atNs: bigint
  readonly sums: ChargeSums
  readonly catalog: CatalogIndex
  /** Of the subscription, with the plan versions that were filled in; undefined: not all are held. */
  readonly changes: readonly SubscriptionChange[] | undefined
  readonly samples: () => Promise<readonly ChargeSample[] | 'too many'>
}

export async function arithmeticOf(question: Question): Promise<ArithmeticWire> {
  const { sums } = question
  const told = await explained(question)
  const isSum = told.addsUp
  return {
    quantity_before: isSum ? sums.readings_before : null,
    quantity_after: isSum ? sums.readings_after : null,
    amount_before: sums.amount_before,
    amount_after: sums.amount_after,
    events_in_commit: sums.events_in_commit,
    steps: told.kind === 'told' ? told.wire.steps : null,
    text: told.kind === 'told' ? explanationToText(told.explanation).map(line => line.trim()) : [],
    not_shown: told.kind === 'told' ? null : told.why,
  }
}

type Told =
  | {
      readonly kind: 'told'
      readonly addsUp: boolean
      readonly explanation: Explanation
      readonly wire: ReturnType<typeof explanationToWire>
    }
  | { readonly kind: 'untold'; readonly addsUp: boolean; readonly why: string }

async function explained(question: Question): Promise<Told> {
  const { changes, catalog, charge, sums, meter } = question
  const { aggregation, convert, window } = catalog.meter(meter) ?? {}
  const addsUp =
    window === undefined &&
    (aggregation === 'sum' || aggregation === 'count') &&
    (convert === undefined || convert.round !== undefined)
  const untold = (why: string): Told => ({ kind: 'untold', addsUp, why })
  if (changes === undefined) return untold('The changes of the subscription are not all held any more.')
  const segment = segmentOf(question, changes)
  if (segment === undefined) return untold('Under the terms in force now there is no such charge.')
  const basis = basisOf(segment, catalog)
  const accumulator = await accumulatorOf(question, segment)
  if (accumulator === undefined) return untold('The charge has more events than are read for an explanation.')
  const explanation = explainUsage(basis, accumulator, segment.line)
  if (formatScaled(explanation.amount) !== plain(sums.amount)) {
    const why = isLevel(basis.meter.aggregation)
      ? 'It begins with the level that earlier periods left.'
      : 'ClickHouse does not hold all of its rows yet.'
    return untold(why)
  }
  const { fromNs, untilNs } = segment
  const wire = explanationToWire(
    { chargeId: charge.charge_id, timing: 'in_arrears', fromNs, untilNs },
    explanation,
  )
  return { kind: 'told', addsUp, explanation, wire }
}

function segmentOf(
  { charge, meter, atNs, catalog, currency }: Question,
  changes: readonly SubscriptionChange[],
): Segment<UsagePrice> | undefined {
  // What is owed was owed in the customer's currency, where the plan has it.
  const timeline = resolveTimeline(changes, currency)
  const isKnown = timeline?.versions.every(({ terms }) => catalog.plan(terms.plan, terms.planVersion))
  if (timeline === undefined || isKnown !== true) return undefined
  for (const line of resolvePrices(timeline, catalog).usage.get(meter) ?? []) {
    const segment = line.fromNs <= atNs && atNs < line.untilNs ? segmentAt(line, atNs) : undefined
    if (segment?.chargeId === charge.charge_id) return segment
  }
  return undefined
}

/** Sums and counts need no events where the model looks at the total alone. */
async function accumulatorOf(
  { sums, samples }: Question,
  segment: Segment<UsagePrice>,
): Promise<Accumulator | undefined> {
  const { line } = segment
  const basis = segment.basis!
  const rater = raterOf(basis)
  const accumulator = newAccumulator(basis)
  const { state } = accumulator
  if (rater.usage === undefined && (state.kind === 'sum' || state.kind === 'count')) {
    ;(state as { total: Scaled }).total = scaled(sums.readings)
    accumulator.events = sums.events
    return accumulator
  }
  const all = await samples()
  if (all === 'too many') return undefined
  for (const one of all) {
    const sample = {
      timeNs: parseInstant(one.event_time)!,
      quantity: scaled(one.quantity),
      text: one.value,
      key: compositeKey(one.event_source, one.event_id),
      cell: cellOf(line.price, new Map(Object.entries(one.dimensions))) ?? 0,
      group: groupOf(line.price, new Map(Object.entries(one.dimensions))),
    }
    addSample(basis, accumulator, sample, rater)
  }
  return accumulator
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
  return parsed.value
}

function plain(text: string): string {
  return formatScaled(scaled(text))
}

export interface FieldOrigin {
  readonly field: string
  readonly value: string
  /** The change that set it. */
  readonly sequence: number
}

/** Which change in force at the instant set each field: of those effective by then, the one with the highest sequence. */
export function fieldOrigins(changes: readonly SubscriptionChange[], atNs: bigint): FieldOrigin[] {
  const origins = new Map<string, FieldOrigin>()
  const inForce = changes
    .filter(change => change.effectiveFromNs <= atNs)
    .sort((a, b) => a.sequence - b.sequence)
  for (const change of inForce) {
    for (const [field, value] of fieldsSetBy(change)) {
      // A change of plan drops the overrides that lower sequences set.
      if (field === 'plan')
        for (const name of [...origins.keys()]) if (name.startsWith('price_overrides.')) origins.delete(name)
      origins.set(field, { field, value, sequence: change.sequence })
    }
  }
  return [...origins.values()]
}

const statusOf = {
  created: 'active',
  amended: undefined,
  renewed: undefined,
  suspended: 'suspended',
  resumed: 'active',
  cancelled: 'cancelled',
} as const

function fieldsSetBy(change: SubscriptionChange): [field: string, value: string][] {
  const instant = (ns: bigint | undefined) => (ns === undefined ? undefined : formatInstant(ns))
  const plan = change.plan === undefined ? undefined : `${change.plan} ${change.planVersion ?? ''}`.trim()
  const fields: [string, string | undefined][] = [
    ['plan', plan],
    ['status', statusOf[change.kind]],
    ['entity_id', change.entityId],
    ['contract_id', change.contractId],
    ['timezone', change.timezone],
    ['billing_anchor', instant(change.billingAnchorNs)],
    ['effective_until', instant(change.effectiveUntilNs)],
    ['trial_until', instant(change.trialUntilNs)],
    ...[...(change.quantities ?? [])].map(([price, quantity]): [string, string] => [
      `quantities.${price}`,
      formatScaled(quantity),
    ]),
    ...(change.priceOverrides ?? []).map((price): [string, string] => [
      `price_overrides.${price.price}`,
      price.kind === 'usage' ? price.model.model : price.kind,
    ]),
  ]
  return fields.filter((field): field is [string, string] => field[1] !== undefined)
}
