// What all rows of one charge and version have in common: their terms. They are kept under a number; a row holds the
// number that its terms have in the chunk at hand, and the columns follow from the numbers when the chunk is written.
// Invariants: a number of kept terms holds until `release` or `forget`; which number a row has is not seen in the chunk,
// so the same terms under two numbers do no harm.
// For speed, the terms of a row lie in one cache line. Texts in which nearly all customers differ have a number each; the
// others are shared by many terms and have one number together. So terms that are new in a chunk cost a few reads of memory
// instead of comparisons of strings.

import { doubled, type NanosecondColumn } from '../../../schemas/arrow/arrow-columns.js'
import { putCodes } from '../../../schemas/arrow/arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from '../../../schemas/arrow/arrow-ipc.js'
import { NumberDictionary } from '../../../schemas/arrow/arrow-number-dictionary.js'
import { StringDictionary } from '../../../schemas/arrow/arrow-string-dictionary.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { ColumnKind } from '../../../schemas/table-description.js'
import { beginninglessNs } from '../../../schemas/time.js'

const firstCapacity = 64
const unknownCode = -1
/** Of terms without a charge. */
const noInstant = beginninglessNs
/** The texts of a column are forgotten when there are this many, and this many for each of the kept terms. */
const manyTexts = 1 << 20
const manyTextsEach = 4

const ownNames = ['customer_id', 'subscription_id', 'charge_id'] as const
const sharedNames = [
  'event_type',
  'pinned_subscription_id',
  'plan',
  'price',
  'meter',
  'currency',
  'entity_id',
  'kind',
] as const

export type TermText = (typeof ownNames)[number] | (typeof sharedNames)[number]

export interface UsageTerms {
  readonly texts: Readonly<Record<TermText, string>>
  readonly subscriptionVersion: number
  readonly planVersion: number
  readonly eventCount: number
  /** Of the charge; undefined for a reading that no price wants, whose period is the event's instant. */
  readonly fromNs: bigint | undefined
  readonly untilNs: bigint | undefined
}

/** Terms of scanned rows, under numbers. */
export interface KeptTerms {
  /** Keeps terms until they are released; the number is what a scanned row names them by. */
  keep(terms: UsageTerms): number
  /** Prefetches what rows of the first `count` of these terms will need; a number that names no terms is skipped. */
  prefetch(numbers: Int32Array, count: number): number
}

// Kept terms, 16 words of 32 bits, one line of memory. `number` is theirs in the chunk whose generation they name; texts
// are the numbers of theirs in the dictionaries, `shared` is that of all `sharedNames` together:
//
//   word  0            1        2          3              4        5        6              7
//        ┌────────────┬────────┬──────────┬──────────────┬────────┬────────┬──────────────┬─────────────┐
//        │ generation │ number │ customer │ subscription │ charge │ shared │ plan version │ event count │
//        ├────────────┴────────┼──────────┴──────────────┼────────┴────────┼──────────────┴─────────────┤
//        │ fromNs              │ untilNs                 │ subscr. version │ unused                     │
//        └─────────────────────┴─────────────────────────┴─────────────────┴────────────────────────────┘
//   word  8 (long 4)            10 (long 5)               12 (double 6)     14
const stride = 16
const ownAt = 2
const sharedAt = ownAt + ownNames.length
const planVersionAt = sharedAt + 1
const eventCountAt = planVersionAt + 1
const doubleStride = stride / 2
const fromAt = 4
const untilAt = 5
const subscriptionVersionAt = 6

class TermColumn {
  readonly dictionary = new StringDictionary()
  /** By the number of the terms in the chunk; of shared texts, by theirs. */
  codes = new Uint16Array(firstCapacity)
  /** By row, when the chunk is written. */
  rows = new Uint16Array(firstCapacity)
}

/** The texts of `sharedNames`. */
interface SharedTexts {
  /** Their numbers in the dictionaries. */
  readonly texts: readonly number[]
  /** The chunk in which `number` is good. */
  generation: number
  number: number
}

let generations = 0

export class TermsTable implements KeptTerms {
  readonly #own = ownNames.map(() => new TermColumn())
  readonly #shared = sharedNames.map(() => new TermColumn())
  readonly #dictionaries = [...this.#own, ...this.#shared].map(({ dictionary }) => dictionary)
  readonly #sharedTexts: SharedTexts[] = []
  readonly #sharedNumbers = new Map<string, number>()
  #kept = new Int32Array(firstCapacity * stride)
  #keptDoubles = new Float64Array(this.#kept.buffer)
  #keptLongs = new BigInt64Array(this.#kept.buffer)
  #keptCount = 0
  /** Places whose terms were released; rows of the chunk at hand may still need those of `#released`. */
  #free: number[] = []
  #released: number[] = []
  #absent = new Int32Array(firstCapacity)
  /** By row of the chunk at hand. */
  #numbers = new Uint16Array(firstCapacity)
  #rows = 0
  /** By number in the chunk: which kept terms these are, and the number of their shared texts. */
  #terms = new Int32Array(firstCapacity)
  #sharedOf = new Uint16Array(firstCapacity)
  #count = 0
  #sharedCount = 0
  #generation = ++generations
  #size = 0
  #sharedSize = 0

  /** Bytes of the dictionaries. */
  get size(): number {
    return this.#size
  }

  /** Most texts are of terms that were released long ago: time to forget everything, when nobody needs a number. */
  get isFull(): boolean {
    const live = this.#keptCount - this.#free.length
    const most = Math.max(manyTexts, live * manyTextsEach)
    return this.#sharedTexts.length > most || this.#dictionaries.some(one => one.knownCount > most)
  }

  keep({ texts, subscriptionVersion, planVersion, eventCount, fromNs, untilNs }: UsageTerms): number {
    const kept = this.#free.pop() ?? this.#keptCount++
    const at = kept * stride
    if (at >= this.#kept.length) {
      this.#kept = doubled(this.#kept)
      this.#keptDoubles = new Float64Array(this.#kept.buffer)
      this.#keptLongs = new BigInt64Array(this.#kept.buffer)
    }
    this.#kept[at] = 0
    ownNames.forEach((name, i) => {
      this.#kept[at + ownAt + i] = this.#own[i]!.dictionary.numberOf(texts[name])
    })
    this.#kept[at + sharedAt] = this.#shareTexts(texts)
    this.#kept[at + planVersionAt] = planVersion
    this.#kept[at + eventCountAt] = eventCount
    const doubles = kept * doubleStride
    this.#keptLongs[doubles + fromAt] = fromNs ?? noInstant
    this.#keptLongs[doubles + untilAt] = untilNs ?? noInstant
    this.#keptDoubles[doubles + subscriptionVersionAt] = subscriptionVersion
    return kept
  }

  /** Frees these terms, once the chunk at hand is written. */
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
    this.#keptLongs = new BigInt64Array(this.#kept.buffer)
    this.#sharedTexts.length = 0
    this.#sharedNumbers.clear()
    for (const dictionary of this.#dictionaries) dictionary.forget()
  }

  termsOf(kept: number): UsageTerms {
    const at = kept * stride
    const own = ownNames.map((name, i) => {
      return [name, this.#own[i]!.dictionary.textOf(this.#kept[at + ownAt + i]!)] as const
    })
    const { texts } = this.#sharedTexts[this.#kept[at + sharedAt]!]!
    const shared = sharedNames.map((name, i) => {
      return [name, this.#shared[i]!.dictionary.textOf(texts[i]!)] as const
    })
    const fromNs = this.#keptLongs[kept * doubleStride + fromAt]!
    const untilNs = this.#keptLongs[kept * doubleStride + untilAt]!
    return {
      texts: Object.fromEntries([...own, ...shared]) as Record<TermText, string>,
      subscriptionVersion: this.#keptDoubles[kept * doubleStride + subscriptionVersionAt]!,
      planVersion: this.#kept[at + planVersionAt]!,
      eventCount: this.#kept[at + eventCountAt]!,
      fromNs: fromNs === noInstant ? undefined : fromNs,
      untilNs: untilNs === noInstant ? undefined : untilNs,
    }
  }

  prefetch(numbers: Int32Array, count: number): number {
    if (this.#absent.length < count) this.#absent = new Int32Array(count)
    const absent = this.#absent
    const kept = this.#kept
    const end = this.#keptCount
    let absentCount = 0
    for (let i = 0; i < count; i += 1) {
      const number = numbers[i]!
      if (number < 0 || number >= end || kept[number * stride] === this.#generation) continue
      absent[absentCount] = number * stride + ownAt
      absentCount += 1
    }
    let sum = 0
    for (let column = 0; column < ownNames.length; column += 1) {
      const { dictionary } = this.#own[column]!
      for (let i = 0; i < absentCount; i += 1) sum += dictionary.prefetch(kept[absent[i]! + column]!)
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
    for (const dictionary of this.#dictionaries) dictionary.clear()
    for (const kept of this.#released) this.#free.push(kept)
    this.#released.length = 0
    this.#rows = 0
    this.#count = 0
    this.#sharedCount = 0
    this.#size = 0
    this.#sharedSize = 0
    this.#generation = ++generations
  }

  /** Columns whose codes are equal row by row share one array, so that a chunk holds it once. */
  putTexts(name: TermText, batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const isOwn = ownNames.includes(name as (typeof ownNames)[number])
    const columns = isOwn ? this.#own : this.#shared
    const own = columns[(isOwn ? ownNames : sharedNames).indexOf(name as never)]!
    const count = isOwn ? this.#count : this.#sharedCount
    const column = columns.find(other => equals(other.codes, own.codes, count))!
    if (column === own) this.#spread(own, rows, isOwn)
    batch.node(rows)
    const texts = putCodes(batch, column.rows, rows)
    return own.dictionary.put(id, texts)
  }

  putSubscriptionVersions(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    return this.#putNumbers('uint64', batch, id, rows, kept => {
      return this.#keptDoubles[kept * doubleStride + subscriptionVersionAt]!
    })
  }

  /** `times`: the events' instants, for rows without a charge. */
  putPeriods(
    end: 'from' | 'until',
    batch: IpcBatch,
    id: number,
    times: NanosecondColumn,
    rows: number,
  ): IpcDictionary {
    const at = end === 'from' ? fromAt : untilAt
    const endOf = (kept: number): bigint => this.#keptLongs[kept * doubleStride + at]!
    return this.#putNumbers('instant_ns', batch, id, rows, endOf, times)
  }

  putPlanVersions(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    return this.#putNumbers('uint32', batch, id, rows, kept => this.#kept[kept * stride + planVersionAt]!)
  }

  putEventCounts(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    return this.#putNumbers('int8', batch, id, rows, kept => this.#kept[kept * stride + eventCountAt]!)
  }

  /** `otherwise`: by row, what a row has whose terms say `noInstant`. */
  #putNumbers(
    kind: ColumnKind,
    batch: IpcBatch,
    id: number,
    rows: number,
    numberOf: (kept: number) => number | bigint,
    otherwise?: NanosecondColumn,
  ): IpcDictionary {
    const dictionary = new NumberDictionary()
    const codes = new Int32Array(this.#count)
    for (let number = 0; number < codes.length; number += 1) {
      const value = numberOf(this.#terms[number]!)
      codes[number] = value === noInstant ? unknownCode : dictionary.codeOf(value)
    }
    const ofRows = new Uint16Array(rows)
    for (let i = 0; i < rows; i += 1) {
      const code = codes[this.#numbers[i]!]!
      ofRows[i] = code === unknownCode ? dictionary.codeOf(otherwise!.at(i)) : code
    }
    batch.node(rows)
    putCodes(batch, ofRows, rows)
    return dictionary.put(id, kind)
  }

  #shareTexts(texts: UsageTerms['texts']): number {
    const key = compositeKey(...sharedNames.map(name => texts[name]))
    const known = this.#sharedNumbers.get(key)
    if (known !== undefined) return known
    const number = this.#sharedTexts.length
    const numbers = sharedNames.map((name, i) => this.#shared[i]!.dictionary.numberOf(texts[name]))
    this.#sharedTexts.push({ texts: numbers, generation: 0, number: 0 })
    this.#sharedNumbers.set(key, number)
    return number
  }

  #add(kept: number, at: number): void {
    const shared = this.#sharedTexts[this.#kept[at + sharedAt]!]!
    if (shared.generation !== this.#generation) this.#addShared(shared)
    const number = this.#count
    if (number === this.#terms.length) this.#grow()
    let size = this.#sharedSize
    for (let i = 0; i < ownNames.length; i += 1) {
      const { codes, dictionary } = this.#own[i]!
      codes[number] = dictionary.codeOf(this.#kept[at + ownAt + i]!)
      size += dictionary.size
    }
    this.#terms[number] = kept
    this.#sharedOf[number] = shared.number
    this.#count = number + 1
    this.#size = size
    this.#kept[at] = this.#generation
    this.#kept[at + 1] = number
  }

  #addShared(shared: SharedTexts): void {
    const number = this.#sharedCount
    this.#sharedSize = 0
    for (let i = 0; i < sharedNames.length; i += 1) {
      const column = this.#shared[i]!
      if (number === column.codes.length) column.codes = doubled(column.codes)
      column.codes[number] = column.dictionary.codeOf(shared.texts[i]!)
      this.#sharedSize += column.dictionary.size
    }
    shared.number = number
    shared.generation = this.#generation
    this.#sharedCount = number + 1
  }

  #grow(): void {
    for (const column of this.#own) column.codes = doubled(column.codes)
    this.#terms = doubled(this.#terms)
    this.#sharedOf = doubled(this.#sharedOf)
  }

  #spread(column: TermColumn, rows: number, isOwn: boolean): void {
    if (column.rows.length < rows) column.rows = new Uint16Array(Math.max(rows, column.rows.length * 2))
    const { codes, rows: spread } = column
    const numbers = this.#numbers
    const sharedOf = this.#sharedOf
    if (isOwn) for (let i = 0; i < rows; i += 1) spread[i] = codes[numbers[i]!]!
    else for (let i = 0; i < rows; i += 1) spread[i] = codes[sharedOf[numbers[i]!]!]!
  }
}

function equals(one: Uint16Array, other: Uint16Array, count: number): boolean {
  if (one === other) return true
  for (let i = 0; i < count; i += 1) if (one[i] !== other[i]) return false
  return true
}
