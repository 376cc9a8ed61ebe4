// What all rows of one charge and version have in common, once per chunk of `rated_usage`: a row holds a number, and the
// columns follow from the numbers when the chunk is written.
// Invariant: which number a row has is not seen in the chunk, so the same terms under two numbers do no harm.

import { doubled } from '../../schemas/arrow-columns.js'
import { putCodes, TextDictionary } from '../../schemas/arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from '../../schemas/arrow-ipc.js'
import { StringDictionary } from '../../schemas/arrow-string-dictionary.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { ratedUsageTable } from '../../schemas/tables.js'

const firstCapacity = 64
const twoTo32 = 2 ** 32

/** The columns of texts. */
export interface TermTexts {
  readonly event_type: string
  readonly customer_id: string
  readonly pinned_subscription_id: string
  readonly subscription_id: string
  readonly plan: string
  readonly price: string
  readonly meter: string
  readonly charge_id: string
  readonly currency: string
  readonly entity_id: string
  readonly kind: string
}

export type TermText = keyof TermTexts

export interface TermValues {
  readonly eventType: string
  readonly customerId: string
  /** What the event asked for by `subscriptionid`. Default: nothing. */
  readonly pinnedSubscriptionId?: string
  readonly subscriptionId: string
  readonly subscriptionVersion: number
  readonly plan: string
  readonly planVersion: number
  readonly price: string
  readonly meter: string
  readonly chargeId: string
  /** Of the charge; undefined for a reading that no price wants, whose period is the event's instant. */
  readonly fromMs: number | undefined
  readonly untilMs: number | undefined
  readonly currency: string
  readonly entityId: string
  /** Default `usage`. */
  readonly kind?: string
  /** Default 1. */
  readonly eventCount?: number
}

/** What the terms of many customers have in common: the texts of a price of a plan. */
class PriceTexts {
  readonly texts: readonly string[]
  /** The chunk in which the codes are good. */
  generation = 0
  readonly codes: number[] = []

  constructor(texts: readonly string[]) {
    this.texts = texts
  }
}

/** Columns in the order of `PriceTexts`, and those that are the customer's own. */
const priceNames = ['event_type', 'plan', 'price', 'meter', 'currency', 'entity_id', 'kind'] as const
const ownNames = ['customer_id', 'pinned_subscription_id', 'subscription_id', 'charge_id'] as const

/** As many as there are prices, plans and entities. */
const knownPriceTexts = new Map<string, PriceTexts>()

function priceTextsOf(texts: TermTexts): PriceTexts {
  const values = priceNames.map(name => texts[name])
  const key = compositeKey(...values)
  let known = knownPriceTexts.get(key)
  if (known === undefined) {
    known = new PriceTexts(values)
    knownPriceTexts.set(key, known)
  }
  return known
}

/** Kept by whoever makes rows, one for each charge and version: it remembers its number in the chunk at hand. */
export class UsageTerms {
  readonly texts: TermTexts
  readonly priceTexts: PriceTexts
  readonly subscriptionVersion: number
  readonly planVersion: number
  readonly eventCount: number
  readonly fromMs: number | undefined
  readonly untilMs: number | undefined
  /** The chunk in which `number` is good. */
  generation = 0
  number = 0

  constructor(values: TermValues) {
    this.texts = {
      event_type: values.eventType,
      customer_id: values.customerId,
      pinned_subscription_id: values.pinnedSubscriptionId ?? '',
      subscription_id: values.subscriptionId,
      plan: values.plan,
      price: values.price,
      meter: values.meter,
      charge_id: values.chargeId,
      currency: values.currency,
      entity_id: values.entityId,
      kind: values.kind ?? 'usage',
    }
    this.priceTexts = priceTextsOf(this.texts)
    this.subscriptionVersion = values.subscriptionVersion
    this.planVersion = values.planVersion
    this.eventCount = values.eventCount ?? 1
    this.fromMs = values.fromMs
    this.untilMs = values.untilMs
  }
}

class TermColumn {
  readonly dictionary: TextDictionary | StringDictionary
  /** By the number of the terms. */
  codes = new Uint16Array(firstCapacity)
  /** By row, when the chunk is written. */
  rows = new Uint16Array(firstCapacity)

  constructor(dictionary: TextDictionary | StringDictionary) {
    this.dictionary = dictionary
  }
}

let generations = 0

export class TermsTable {
  readonly #ofPrice = priceNames.map(() => new TermColumn(new TextDictionary()))
  readonly #own = ownNames.map(() => new TermColumn(new StringDictionary()))
  readonly #columns = new Map<TermText, TermColumn>([
    ...priceNames.map((name, i) => [name, this.#ofPrice[i]!] as const),
    ...ownNames.map((name, i) => [name, this.#own[i]!] as const),
  ])
  /** In the order of the table: a column that shares its codes comes after the one that has them. */
  readonly #all = ratedUsageTable.columns.flatMap(({ name }) => this.#columns.get(name as TermText) ?? [])
  #subscriptionVersions = new Float64Array(firstCapacity)
  #planVersions = new Uint32Array(firstCapacity)
  #eventCounts = new Int8Array(firstCapacity)
  #numbers = new Uint16Array(firstCapacity)
  #rows = 0
  #count = 0
  #generation = ++generations
  #size = 0
  #priceSize = 0

  /** Bytes of the dictionaries. */
  get size(): number {
    return this.#size
  }

  /** One row of these terms. */
  append(terms: UsageTerms): void {
    if (terms.generation !== this.#generation) this.#add(terms)
    if (this.#rows === this.#numbers.length) this.#numbers = doubled(this.#numbers)
    this.#numbers[this.#rows] = terms.number
    this.#rows += 1
  }

  clear(): void {
    for (const { dictionary } of this.#all) dictionary.clear()
    this.#rows = 0
    this.#count = 0
    this.#size = 0
    this.#priceSize = 0
    this.#generation = ++generations
  }

  /** Columns whose codes are equal row by row share one array, so that a chunk holds it once. */
  putTexts(name: TermText, batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const own = this.#columns.get(name)!
    const column = this.#all.find(other => this.#equals(other.codes, own.codes)) ?? own
    if (column === own) this.#spread(own, rows)
    batch.node(rows)
    const texts = putCodes(batch, column.rows, rows)
    return own.dictionary.put(id, texts)
  }

  putSubscriptionVersions(batch: IpcBatch, rows: number): void {
    const words = new Uint32Array(rows * 2)
    for (let i = 0; i < rows; i += 1) {
      const value = this.#subscriptionVersions[this.#numbers[i]!]!
      words[i * 2] = value
      words[i * 2 + 1] = value / twoTo32
    }
    batch.node(rows)
    batch.buffer(words)
  }

  putPlanVersions(batch: IpcBatch, rows: number): void {
    const values = new Uint32Array(rows)
    for (let i = 0; i < rows; i += 1) values[i] = this.#planVersions[this.#numbers[i]!]!
    batch.node(rows)
    batch.buffer(values)
  }

  putEventCounts(batch: IpcBatch, rows: number): void {
    const values = new Int8Array(rows)
    for (let i = 0; i < rows; i += 1) values[i] = this.#eventCounts[this.#numbers[i]!]!
    batch.node(rows)
    batch.buffer(values)
  }

  #add(terms: UsageTerms): void {
    const number = this.#count
    if (number === this.#planVersions.length) this.#grow()
    const { priceTexts, texts } = terms
    if (priceTexts.generation !== this.#generation) this.#addPrice(priceTexts)
    for (let i = 0; i < priceNames.length; i += 1) this.#ofPrice[i]!.codes[number] = priceTexts.codes[i]!
    let size = this.#priceSize
    for (let i = 0; i < ownNames.length; i += 1) {
      const { codes, dictionary } = this.#own[i]!
      codes[number] = dictionary.codeOf(texts[ownNames[i]!])
      size += dictionary.size
    }
    this.#subscriptionVersions[number] = terms.subscriptionVersion
    this.#planVersions[number] = terms.planVersion
    this.#eventCounts[number] = terms.eventCount
    this.#count = number + 1
    this.#size = size
    terms.number = number
    terms.generation = this.#generation
  }

  #addPrice(priceTexts: PriceTexts): void {
    this.#priceSize = 0
    for (let i = 0; i < priceNames.length; i += 1) {
      const { dictionary } = this.#ofPrice[i]!
      priceTexts.codes[i] = dictionary.codeOf(priceTexts.texts[i]!)
      this.#priceSize += dictionary.size
    }
    priceTexts.generation = this.#generation
  }

  #grow(): void {
    for (const column of this.#all) column.codes = doubled(column.codes)
    this.#subscriptionVersions = doubled(this.#subscriptionVersions)
    this.#planVersions = doubled(this.#planVersions)
    this.#eventCounts = doubled(this.#eventCounts)
  }

  #equals(one: Uint16Array, other: Uint16Array): boolean {
    if (one === other) return true
    for (let i = 0; i < this.#count; i += 1) if (one[i] !== other[i]) return false
    return true
  }

  #spread(column: TermColumn, rows: number): void {
    if (column.rows.length < rows) column.rows = new Uint16Array(Math.max(rows, column.rows.length * 2))
    const { codes, rows: spread } = column
    const numbers = this.#numbers
    for (let i = 0; i < rows; i += 1) spread[i] = codes[numbers[i]!]!
  }
}
