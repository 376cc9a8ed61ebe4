// The refused records of one connection while it is attended: set aside, taken up again, and known to the order of records.
// Invariants:
// 1. A record is set aside before its delivery becomes `refused`, and taken back after its delivery is `waiting` again: after
//    a crash in between it is both, and is taken back at the next start.
// 2. What somebody decided never to send is not taken up, also when they decide it at the same time.
// 3. What nobody knows of whether the receiver has it is looked up every hour, and taken up once the receiver says so.
// 4. What is set aside of a series (record-series.ts) is given up once a newer record of it was taken in, before that one is sent.

import type { ChangedDelivery } from '../../schemas/billing/delivery.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { ConnectorRecord, FindOutcome } from '../../sinks/connector.js'
import type { RefusedRecord } from '../../sinks/sink.js'
import type { Exceptions } from './connection-options.js'
import { supersededDelivery } from './delivery-answers.js'
import type { DeliveryBook, OpenDelivery } from './delivery-book.js'
import { type DeliveryRequest, isSettlement } from './delivery-requests.js'
import { originalDiscarded } from './flow-gate.js'
import { lookUpUnanswered } from './give-up.js'
import type { RecordOrder } from './record-order.js'
import { seriesOf } from './record-series.js'
import { type RefusedDelivery, reopenedDelivery } from './refused-deliveries.js'
import { isToMend } from './refused-records.js'
import { isAbout, isUnclearException } from './settlement.js'

export interface ShelfOptions {
  readonly exceptions: Exceptions
  readonly order: RecordOrder
  readonly onRefused: ((records: readonly RefusedRecord[]) => void) | undefined
  /** Writes a step of the log. */
  readonly append: (changed: readonly ChangedDelivery[]) => Promise<void>
  /** Asks the receiver for one that may be there. */
  readonly find: (sent: Pick<OpenDelivery, 'record' | 'delivery'>) => Promise<FindOutcome>
  readonly nowMs: () => number
  /** The most open records; further ones stay on the shelf. */
  readonly openMost: number
}

const askAgainMs = 3_600_000
const askedAtOnce = 8

export class RefusedShelf {
  readonly #options: ShelfOptions
  /** What nobody knows of whether it is there, and when it is looked up next. */
  readonly #unanswered = new Map<string, { readonly record: RefusedRecord; readonly dueAtMs: number }>()
  /** What is set aside of a series, by its name. */
  readonly #ofSeries = new Map<string, RefusedRecord>()

  constructor(options: ShelfOptions) {
    this.#options = options
  }

  async setAside(refused: readonly RefusedDelivery[]): Promise<void> {
    const { exceptions, order, onRefused } = this.#options
    await exceptions.setAside(refused)
    for (const record of refused) order.refused(record)
    this.#note(refused)
    for (const record of refused) if (record.code === lookUpUnanswered) this.#askLater(record)
    onRefused?.(refused)
  }

  #askLater(record: RefusedRecord): void {
    this.#unanswered.set(record.name, { record, dueAtMs: this.#options.nowMs() + askAgainMs })
  }

  #forget({ name }: RefusedRecord): void {
    this.#ofSeries.delete(name)
    this.#unanswered.delete(name)
  }

  /** Takes up again what the receiver answers about by now (invariant 3). */
  async askAgain(book: DeliveryBook): Promise<void> {
    const nowMs = this.#options.nowMs()
    const due = [...this.#unanswered.values()].filter(one => one.dueAtMs <= nowMs).slice(0, askedAtOnce)
    await Promise.all(
      due.map(async ({ record }) => {
        const delivery = reopenedDelivery(record)!
        const { record: named, key, document = {}, recorded_at: recordedAt = '', after } = delivery
        const asked = { ...named, key, recordedAt, document, ...(after === undefined ? {} : { after }) }
        const found = await this.#options.find({ record: asked, delivery })
        if (found.kind === 'unknown_yet' || found.kind === 'stopped') this.#askLater(record)
        else this.#unanswered.set(record.name, { record, dueAtMs: 0 })
      }),
    )
    const told = due.filter(({ record }) => this.#unanswered.get(record.name)?.dueAtMs === 0)
    if (told.length === 0) return
    const aside = await this.#options.exceptions.list() // somebody may have discarded it
    const isTold = (one: RefusedRecord) => told.some(({ record }) => record.name === one.name)
    for (const { record } of told) this.#unanswered.delete(record.name)
    await this.#reopen(aside.filter(isTold), book)
  }

  /** Tries each refused record once whenever the connection begins, as somebody may have fixed the reason. */
  async open(book: DeliveryBook): Promise<void> {
    const { exceptions, order } = this.#options
    const refused = await exceptions.list()
    order.learn(refused)
    this.#note(refused)
    await this.#reopen(
      refused.filter(({ code }) => code !== originalDiscarded), // somebody has to say so
      book,
    )
  }

  /** Gives up what a newer record of its series has made needless. */
  async giveUp(book: DeliveryBook): Promise<void> {
    if (this.#ofSeries.size === 0) return
    const { exceptions, order, append } = this.#options
    for (const record of [...this.#ofSeries.values()]) {
      const delivery = reopenedDelivery(record)!
      const { record: named, document = {}, source_sequence: sourceSequence = 0 } = delivery
      if (!book.isOutrun({ record: { ...named, document } as ConnectorRecord, sourceSequence })) continue
      await append([supersededDelivery(delivery, this.#now())])
      await exceptions.takeBack(record)
      order.mended(record)
      this.#forget(record)
    }
  }

  #now(): string {
    return formatInstantMs(this.#options.nowMs())
  }

  #note(refused: readonly RefusedRecord[]): void {
    for (const record of refused) {
      const { record: named, document = {} } = reopenedDelivery(record) ?? {}
      if (named !== undefined && seriesOf({ ...named, document }) !== undefined)
        this.#ofSeries.set(record.name, record)
    }
  }

  /** Reads again what was refused, after some of it was discarded. */
  async relearn(): Promise<void> {
    this.#options.order.relearn(await this.#options.exceptions.list())
  }

  /** Takes these up again, in the order in which they came. Answers false when some of them have no place yet. */
  async retry(asked: readonly DeliveryRequest[], book: DeliveryBook): Promise<boolean> {
    if (asked.length === 0) return true
    const refused = await this.#options.exceptions.list()
    const byId = new Map(asked.filter(one => isSettlement(one)).map(one => [one.delivery_id, one]))
    const retried = new Set(asked.filter(one => !isSettlement(one)).map(one => one.delivery_id))
    return this.#reopen(
      refused.filter(one => retried.has(one.name) || isToSettle(one, byId.get(one.name))),
      book,
    )
  }

  async #reopen(refused: readonly RefusedRecord[], book: DeliveryBook): Promise<boolean> {
    const { exceptions, order, append, openMost } = this.#options
    for (const record of refused) {
      const reopened = reopenedDelivery(record)
      if (reopened === undefined || !isToMend(record)) continue // invariant 2
      if (book.size >= openMost) return false
      if (!(await exceptions.markTaken(record))) continue // invariant 2
      const next = begun(reopened, this.#now())
      const taken = record.code === originalDiscarded ? { ...next, out_of_order: true } : next
      if (book.get(reopened.delivery_id) === undefined) await append([taken])
      await exceptions.takeBack(record) // invariant 1
      order.mended(record)
      this.#forget(record)
    }
    return true
  }
}

/** What was set aside unclear is unclear again, so that the word of a person settles it. */
function isToSettle(record: RefusedRecord, request: DeliveryRequest | undefined): boolean {
  const delivery = request === undefined ? undefined : reopenedDelivery(record)
  return delivery !== undefined && isUnclearException(delivery) && isAbout(request!, delivery)
}

/** With a new count of failures, and held by nothing. What may be there already is not sent before a look-up. */
function begun({ failed: _, held: __, ...delivery }: ChangedDelivery, at: string): ChangedDelivery {
  return { ...delivery, state: delivery.may_be_there === true ? 'unclear' : 'waiting', at }
}
