// What all rows of one charge and version have in common: their terms. They are kept under a number; a row holds the
// number that its terms have in the chunk at hand, and the columns follow from the numbers when the chunk is written.
// Invariants: a number of kept terms holds until `release` or `forget`; which number a row has is not seen in the chunk,
// so the same terms under two numbers do no harm.
// The trick: what a row needs of its terms is one line of memory, and their texts have numbers too, so that terms which
// are new in a chunk cost some looks into memory instead of comparisons of strings.

import { doubled, type Int64Column } from '../../schemas/arrow-columns.js'
import { putCodes } from '../../schemas/arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from '../../schemas/arrow-ipc.js'
import { StringDictionary } from '../../schemas/arrow-string-dictionary.js'
import { ratedUsageTable } from '../../schemas/tables.js'

const firstCapacity = 64
const twoTo32 = 2 ** 32
/** Texts of a column are forgotten when they are so many, and so many for each of the terms that are kept. */
const manyTexts = 1 << 20
const manyTextsEach = 4

const textNames = [
  'event_type',
  'customer_id',
  'pinned_subscription_id',
  'subscription_id',
  'plan',
  'price',
  'meter',
  'charge_id',
  'currency',
  'entity_id',
  'kind',
] as const

export type TermText = (typeof textNames)[number]

export interface UsageTerms {
  readonly texts: Readonly<Record<TermText, string>>
  readonly subscriptionVersion: number
  readonly planVersion: number
  readonly eventCount: number
  /** Of the charge; undefined for a reading that no price wants, whose period is the event's instant. */
  readonly fromMs: number | undefined
  readonly untilMs: number | undefined
}

/** Terms of scanned rows, under numbers. */
export interface KeptTerms {
  /** Keeps terms until they are released; the number is what a scanned row names them by. */
  keep(terms: UsageTerms): number
  /** Reads what rows of the first `count` of these terms will need, so that it is near; a number need not be one. */
  warm(numbers: Int32Array, count: number): number
}

/** Columns in which nearly all customers differ. */
const ownTexts = ['customer_id', 'subscription_id', 'charge_id'].map(name =>
  textNames.indexOf(name as TermText),
)

/** Words of 32 bits: generation and number in its chunk, plan version, count of events; the numbers of the texts. */
const stride = 24
const planVersionAt = 2
const eventCountAt = 3
const textsAt = 10
/** Words of 64 bits, in the same memory. */
const doubleStride = stride / 2
const fromAt = 2
const untilAt = 3
const subscriptionVersionAt = 4

class TermColumn {
  readonly dictionary = new StringDictionary()
  /** By the number of the terms in the chunk. */
  codes = new Uint16Array(firstCapacity)
  /** By row, when the chunk is written. */
  rows = new Uint16Array(firstCapacity)
}

let generations = 0

export class TermsTable implements KeptTerms {
  /** In the order of `textNames`. */
  readonly #columns = textNames.map(() => new TermColumn())
  /** In the order of the table: a column that shares its codes comes after the one that has them. */
  readonly #inOrder = ratedUsageTable.columns.flatMap(({ name }) => {
    return this.#columns[textNames.indexOf(name as TermText)] ?? []
  })
  #kept = new Int32Array(firstCapacity * stride)
  #keptDoubles = new Float64Array(this.#kept.buffer)
  #keptCount = 0
  /** Places whose terms were released; rows of the chunk at hand may still need those of `#released`. */
  #free: number[] = []
  #released: number[] = []
  #absent = new Int32Array(firstCapacity)
  /** By row of the chunk at hand. */
  #numbers = new Uint16Array(firstCapacity)
  #rows = 0
  /** By number in the chunk: which kept terms these are. */
  #terms = new Int32Array(firstCapacity)
  #count = 0
  #generation = ++generations
  #size = 0

  /** Bytes of the dictionaries. */
  get size(): number {
    return this.#size
  }

  /** Most texts are of terms that were released long ago: time to forget everything, when nobody needs a number. */
  get isFull(): boolean {
    const live = this.#keptCount - this.#free.length
    const most = Math.max(manyTexts, live * manyTextsEach)
    return this.#columns.some(({ dictionary }) => dictionary.knownCount > most)
  }

  /** Keeps terms under a number. */
  keep({ texts, subscriptionVersion, planVersion, eventCount, fromMs, untilMs }: UsageTerms): number {
    const kept = this.#free.pop() ?? this.#keptCount++
    const at = kept * stride
    if (at >= this.#kept.length) {
      this.#kept = doubled(this.#kept)
      this.#keptDoubles = new Float64Array(this.#kept.buffer)
    }
    this.#kept[at] = 0
    this.#kept[at + planVersionAt] = planVersion
    this.#kept[at + eventCountAt] = eventCount
    textNames.forEach((name, i) => {
      this.#kept[at + textsAt + i] = this.#columns[i]!.dictionary.numberOf(texts[name])
    })
    const doubles = kept * doubleStride
    this.#keptDoubles[doubles + fromAt] = fromMs ?? Number.NaN
    this.#keptDoubles[doubles + untilAt] = untilMs ?? Number.NaN
    this.#keptDoubles[doubles + subscriptionVersionAt] = subscriptionVersion
    return kept
  }

  /** Nobody needs these terms any more, but for the rows of the chunk at hand. */
  release(kept: number): void {
    this.#released.push(kept)
  }

  /** No number holds any more, and the chunk at hand is cleared. */
  forget(): void {
    this.clear()
    this.#keptCount = 0
    this.#free = []
    this.#kept = new Int32Array(firstCapacity * stride)
    this.#keptDoubles = new Float64Array(this.#kept.buffer)
    for (const { dictionary } of this.#columns) dictionary.forget()
  }

  termsOf(kept: number): UsageTerms {
    const at = kept * stride
    const texts = textNames.map((name, i) => {
      return [name, this.#columns[i]!.dictionary.textOf(this.#kept[at + textsAt + i]!)] as const
    })
    const fromMs = this.#keptDoubles[kept * doubleStride + fromAt]!
    const untilMs = this.#keptDoubles[kept * doubleStride + untilAt]!
    return {
      texts: Object.fromEntries(texts) as Record<TermText, string>,
      subscriptionVersion: this.#keptDoubles[kept * doubleStride + subscriptionVersionAt]!,
      planVersion: this.#kept[at + planVersionAt]!,
      eventCount: this.#kept[at + eventCountAt]!,
      fromMs: Number.isNaN(fromMs) ? undefined : fromMs,
      untilMs: Number.isNaN(untilMs) ? undefined : untilMs,
    }
  }

  /**
   * Reads what `append` will for the first `count` of these terms, so that it is near by then: for those that are not in
   * the chunk yet, their texts too. A number need not be one of terms.
   */
  warm(numbers: Int32Array, count: number): number {
    if (this.#absent.length < count) this.#absent = new Int32Array(count)
    const absent = this.#absent
    const kept = this.#kept
    const end = this.#keptCount
    let absentCount = 0
    for (let i = 0; i < count; i += 1) {
      const number = numbers[i]!
      if (number < 0 || number >= end || kept[number * stride] === this.#generation) continue
      absent[absentCount] = number * stride + textsAt
      absentCount += 1
    }
    let sum = 0
    for (const column of ownTexts) {
      const { dictionary } = this.#columns[column]!
      for (let i = 0; i < absentCount; i += 1) sum += dictionary.warm(kept[absent[i]! + column]!)
    }
    return sum
  }

  /** One row of kept terms. */
  append(kept: number): void {
    const at = kept * stride
    if (this.#kept[at] !== this.#generation) this.#add(kept, at)
    if (this.#rows === this.#numbers.length) this.#numbers = doubled(this.#numbers)
    this.#numbers[this.#rows] = this.#kept[at + 1]!
    this.#rows += 1
  }

  clear(): void {
    for (const { dictionary } of this.#columns) dictionary.clear()
    for (const kept of this.#released) this.#free.push(kept)
    this.#released.length = 0
    this.#rows = 0
    this.#count = 0
    this.#size = 0
    this.#generation = ++generations
  }

  /** Columns whose codes are equal row by row share one array, so that a chunk holds it once. */
  putTexts(name: TermText, batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const own = this.#columns[textNames.indexOf(name)]!
    const column = this.#inOrder.find(other => this.#equals(other.codes, own.codes)) ?? own
    if (column === own) this.#spread(own, rows)
    batch.node(rows)
    const texts = putCodes(batch, column.rows, rows)
    return own.dictionary.put(id, texts)
  }

  putSubscriptionVersions(batch: IpcBatch, rows: number): void {
    const words = new Uint32Array(rows * 2)
    const values = this.#doublesOf(subscriptionVersionAt)
    for (let i = 0; i < rows; i += 1) putInt64(words, i, values[this.#numbers[i]!]!)
    batch.node(rows)
    batch.buffer(words)
  }

  /** `times`: the events' instants, for rows without a charge. */
  putPeriods(end: 'from' | 'until', batch: IpcBatch, times: Int64Column, rows: number): void {
    const words = new Uint32Array(rows * 2)
    const values = this.#doublesOf(end === 'from' ? fromAt : untilAt)
    for (let i = 0; i < rows; i += 1) {
      const value = values[this.#numbers[i]!]!
      if (Number.isNaN(value)) times.copy(i, words)
      else putInt64(words, i, value)
    }
    batch.node(rows)
    batch.buffer(words)
  }

  putPlanVersions(batch: IpcBatch, rows: number): void {
    this.#putWords(planVersionAt, batch, new Uint32Array(rows))
  }

  putEventCounts(batch: IpcBatch, rows: number): void {
    this.#putWords(eventCountAt, batch, new Int8Array(rows))
  }

  #putWords(wordAt: number, batch: IpcBatch, values: Uint32Array | Int8Array): void {
    const ofTerms = Int32Array.from(this.#terms.subarray(0, this.#count), kept => {
      return this.#kept[kept * stride + wordAt]!
    })
    for (let i = 0; i < values.length; i += 1) values[i] = ofTerms[this.#numbers[i]!]!
    batch.node(values.length)
    batch.buffer(values)
  }

  /** By number in the chunk. */
  #doublesOf(doubleAt: number): Float64Array {
    const values = new Float64Array(this.#count)
    for (let i = 0; i < values.length; i += 1) {
      values[i] = this.#keptDoubles[this.#terms[i]! * doubleStride + doubleAt]!
    }
    return values
  }

  #add(kept: number, at: number): void {
    const number = this.#count
    if (number === this.#terms.length) this.#grow()
    let size = 0
    for (let i = 0; i < this.#columns.length; i += 1) {
      const { codes, dictionary } = this.#columns[i]!
      codes[number] = dictionary.codeOf(this.#kept[at + textsAt + i]!)
      size += dictionary.size
    }
    this.#terms[number] = kept
    this.#count = number + 1
    this.#size = size
    this.#kept[at] = this.#generation
    this.#kept[at + 1] = number
  }

  #grow(): void {
    for (const column of this.#columns) column.codes = doubled(column.codes)
    this.#terms = doubled(this.#terms)
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

/** A safe integer as two words, the low first. */
function putInt64(words: Uint32Array, index: number, value: number): void {
  words[index * 2] = value
  words[index * 2 + 1] = Math.floor(value / twoTo32)
}
