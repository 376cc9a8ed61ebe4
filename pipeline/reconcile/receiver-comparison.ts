// Holds what a receiver has of ours against our records and their deliveries, by our key. Pure: the reading is in receiver.ts.
//
// Invariants:
// 1. Our states are older than the receiver's list: what was posted when they were read has to be in it.
// 2. What is on its way, or waits for somebody, is told apart and is no fault, there or not; but a record that was certainly
//    not taken (waiting, held, refused) and is there is one, unless its delivery has moved on since (`askAgain`).
// 3. Amounts are compared as exact decimals. What a receiver does not tell is not compared.

import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { ReceiverDocument } from '../../sinks/connector.js'
import type { OurRecord } from './our-record.js'
import { ReceiverDays } from './receiver-days.js'
import type { ReceiverDay, ReceiverFault, ReceiverTotal, Unsettled } from './receiver-report.js'

export interface Compared {
  readonly agreeing: number
  readonly unsettled: Unsettled[]
  readonly totals: ReceiverTotal[]
  readonly days: ReceiverDay[]
  readonly faults: ReceiverFault[]
  readonly faultCount: number
}

/** The most faults in a report; all are counted. */
const mostFaults = 10_000
const mostIds = 20

const delivered: ReadonlySet<string> = new Set(['posted', 'written'])
/** The receiver may have it: the connection looks it up by itself. */
const unclear: ReadonlySet<string> = new Set(['unclear', 'sending', 'not_taken_in'])

interface Pair {
  record: OurRecord
  /** Documents with its key; the first one is compared. */
  readonly documents: ReceiverDocument[]
}

export class ReceiverComparison {
  readonly #pairs = new Map<string, Pair>()
  /** Documents with a key that no record in the dates has. */
  readonly #strays = new Map<string, ReceiverDocument[]>()
  readonly #days: ReceiverDays
  #documents = 0

  /** `byAccount`: the receiver tells the accounts of its documents. */
  constructor(byAccount: boolean) {
    this.#days = new ReceiverDays(byAccount)
  }

  get records(): number {
    return this.#pairs.size
  }

  get documents(): number {
    return this.#documents
  }

  ours(record: OurRecord): void {
    this.#pairs.set(record.key, { record, documents: [] })
  }

  theirs(document: ReceiverDocument): void {
    this.#documents += 1
    const pair = this.#pairs.get(document.key)
    const strays = this.#strays.get(document.key)
    if (pair !== undefined) pair.documents.push(document)
    else if (strays !== undefined) strays.push(document)
    else this.#strays.set(document.key, [document])
  }

  /** Keys of documents without a record in the dates: perhaps it has another date, or has come since. */
  strays(): readonly string[] {
    return [...this.#strays.keys()]
  }

  /** The record of a stray, found by its delivery. */
  adopt(record: OurRecord): void {
    const documents = this.#strays.get(record.key)
    if (documents === undefined) return
    this.#strays.delete(record.key)
    this.#pairs.set(record.key, { record, documents })
  }

  /** Records that are there although they were not delivered when they were read (invariant 2). */
  askAgain(): readonly OurRecord[] {
    return [...this.#pairs.values()]
      .filter(({ record, documents }) => documents.length > 0 && !delivered.has(record.state))
      .map(({ record }) => record)
  }

  moved(key: string, change: Pick<OurRecord, 'state' | 'code' | 'externalId'>): void {
    const pair = this.#pairs.get(key)
    if (pair !== undefined) pair.record = { ...pair.record, ...change }
  }

  result(): Compared {
    const faults: ReceiverFault[] = []
    const tally = new Tally()
    let [agreeing, faultCount] = [0, 0]
    const add = (found: readonly ReceiverFault[]): void => {
      faultCount += found.length
      if (faults.length < mostFaults) faults.push(...found)
    }
    for (const pair of this.#pairs.values()) {
      const found = faultsOf(pair)
      add(found)
      tally.add(pair)
      if (delivered.has(pair.record.state)) this.#days.ours(pair.record)
      for (const one of pair.documents) this.#days.theirs(one, pair.record)
      if (found.length === 0 && isSettledThere(pair)) agreeing += 1
    }
    for (const [key, documents] of this.#strays) {
      add([{ fault: 'extra', key, external_ids: documents.map(one => one.externalId) }])
      for (const one of documents) {
        tally.document('', '', one)
        this.#days.theirs(one)
      }
    }
    return {
      agreeing,
      faults: faults.slice(0, mostFaults),
      faultCount,
      unsettled: tally.unsettled(),
      totals: tally.totals(),
      days: this.#days.list(),
    }
  }
}

function isSettledThere({ record, documents }: Pair): boolean {
  return delivered.has(record.state) && documents.length > 0
}

function faultsOf({ record, documents }: Pair): ReceiverFault[] {
  const [first] = documents
  const facts = {
    key: record.key,
    record: { kind: record.kind, id: record.id },
    delivery_id: record.deliveryId,
    state: record.state,
    ...(record.externalId === '' ? {} : { delivered_as: record.externalId }),
    external_ids: documents.map(one => one.externalId),
  }
  const faults: ReceiverFault[] = []
  if (record.state === 'none') faults.push({ fault: 'no_delivery', ...facts })
  if (first === undefined) return delivered.has(record.state) ? [{ fault: 'missing', ...facts }] : faults // invariant 1
  if (documents.length > 1) faults.push({ fault: 'twice', ...facts })
  for (const document of documents)
    for (const difference of differencesOf(record, document)) {
      if (documents.length > 1 && difference.field === 'state') continue // two of them say more
      faults.push({ fault: 'different', ...facts, external_ids: [document.externalId], ...difference })
    }
  return faults
}

type Difference = Required<Pick<ReceiverFault, 'field' | 'ours' | 'theirs'>>

function differencesOf(record: OurRecord, document: ReceiverDocument): Difference[] {
  const found: Difference[] = []
  const { date, currency, debit, quantity, state, lines } = document
  if (isDifferentState(record.state, state)) found.push({ field: 'state', ours: record.state, theirs: state })
  if (date !== undefined && record.date !== undefined && date !== record.date)
    found.push({ field: 'date', ours: record.date, theirs: date })
  if (currency !== undefined && record.currency !== '' && currency !== record.currency)
    found.push({ field: 'currency', ours: record.currency, theirs: currency })
  if (quantity !== undefined && record.quantity !== undefined && scaledOf(quantity) !== record.quantity)
    found.push({ field: 'quantity', ours: formatScaled(record.quantity), theirs: quantity })
  if (debit !== undefined && record.amount !== undefined && scaledOf(debit) !== record.amount)
    found.push({ field: 'amount', ours: formatScaled(record.amount), theirs: debit })
  else if (lines !== undefined && record.lines !== undefined) {
    const [ours, theirs] = [
      inWords(record.lines),
      inWords(lines.map(({ account, balance }) => [account, scaledOf(balance) ?? 0n])),
    ]
    if (ours !== theirs) found.push({ field: 'account', ours, theirs })
  }
  return found
}

function inWords(lines: NonNullable<OurRecord['lines']>): string {
  return lines
    .filter(([, balance]) => balance !== 0n)
    .map(([account, balance]) => `${account} ${formatScaled(balance)}`)
    .sort()
    .join(', ')
}

/** A draft of ours that somebody has posted there is what was to come; a posted one that is a draft again is not. */
function isDifferentState(ours: string, theirs: ReceiverDocument['state']): boolean {
  if (ours === 'posted') return theirs === 'written'
  return !delivered.has(ours) && !unclear.has(ours) && ours !== 'none' // invariant 2
}

function scaledOf(text: string): Scaled | undefined {
  const parsed = parseDecimal(text)
  return parsed.kind === 'ok' ? parsed.value : undefined
}

interface Total {
  records: number
  ours: Scaled
  documents: number
  theirs: Scaled
  untold: number
}

/** What is unsettled, by state and reason; and the sums of both sides, by entity and currency. */
class Tally {
  readonly #unsettled = new Map<string, Unsettled & { records: number; there: number; ids: string[] }>()
  readonly #totals = new Map<string, Total>()

  add({ record, documents }: Pair): void {
    for (const one of documents) this.document(record.entityId, record.currency, one)
    if (delivered.has(record.state)) {
      const total = this.#total(record.entityId, record.currency)
      total.records += 1
      total.ours += record.amount ?? 0n
    }
    const isSettled = record.state === 'posted' || record.state === 'none'
    if (isSettled || (record.state === 'written' && documents.some(one => one.state === 'posted'))) return
    const name = JSON.stringify([record.state, record.code])
    const { state, code } = record
    const found = this.#unsettled.get(name) ?? { state, code, records: 0, there: 0, ids: [] }
    found.records += 1
    if (documents.length > 0) found.there += 1
    if (found.ids.length < mostIds) found.ids.push(`${record.kind} ${record.id}`)
    this.#unsettled.set(name, found)
  }

  document(entityId: string, ofRecord: string, { currency = ofRecord, debit }: ReceiverDocument): void {
    const total = this.#total(entityId, currency)
    const amount = debit === undefined ? undefined : scaledOf(debit)
    total.documents += 1
    total.theirs += amount ?? 0n
    if (amount === undefined) total.untold += 1
  }

  unsettled(): Unsettled[] {
    return [...this.#unsettled.values()]
  }

  totals(): ReceiverTotal[] {
    return [...this.#totals].map(([name, { ours, theirs, ...counts }]) => {
      const [entity = '', currency = ''] = JSON.parse(name) as string[]
      const sums = { ours: formatScaled(ours), theirs: formatScaled(theirs) }
      return { entity_id: entity, currency, ...counts, ...sums }
    })
  }

  #total(entityId: string, currency: string): Total {
    const name = JSON.stringify([entityId, currency])
    const found = this.#totals.get(name) ?? { records: 0, ours: 0n, documents: 0, theirs: 0n, untold: 0 }
    this.#totals.set(name, found)
    return found
  }
}
