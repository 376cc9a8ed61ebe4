// The loop of one connection: takes records in from its feed, sends them one page at a time, and moves each
// delivery through the states of schemas/billing/delivery.ts. Its feed uses it as a sink, which has applied a
// range once the delivery log holds the range's records; `attend` sends them at the same time.
// Invariants:
// 1. Retry, waiting and look-ups are here (what an answer means: delivery-answers.ts) and in no connector.
// 2. `sending` is in the log before a connector gets a record, and its answer is in the log before anything
//    else happens to that record. So after a crash the log tells which records may have been sent.
// 3. A delivery that is `unclear`, or was left in `sending`, is looked up before it is sent again.
// 4. A refused record is set aside before its delivery becomes `refused` (refused-shelf.ts), and its neighbours go on.
// 5. Memory is bounded: with `openMost` records open, or `heldMost` held, further ones wait in the source stream.
// 6. The gate is asked for each record before `sending` (held-deliveries.ts), and no record is sent before one that it
//    comes after (record-order.ts).
// 7. Of a series of records the newest alone is sent, after the older ones are settled (record-series.ts).

import { type ChangedDelivery, type Delivery, isSettled } from '../../schemas/billing/delivery.js'
import { formatInstantMs } from '../../schemas/time.js'
import { Deadline } from '../../sinks/deadline.js'
import type {
  Attendance,
  FeedRange,
  RefusedRecord,
  Sink,
  SinkBacklog,
  SinkOutcome,
  SinkTrouble,
} from '../../sinks/sink.js'
import { type ConnectionLimits, defaultConnectionLimits } from './connection-limits.js'
import type { ConnectionLoopOptions } from './connection-options.js'
import { ConnectionPace } from './connection-pace.js'
import { afterFind, afterPut, isOver, settlesAtMs, supersededDelivery, toSend } from './delivery-answers.js'
import { DeliveryBook, type OpenDelivery } from './delivery-book.js'
import { isSettlement, type StoredRequest } from './delivery-requests.js'
import { findEach, findOne } from './find-each.js'
import { type Answers, HeldDeliveries } from './held-deliveries.js'
import { Previews } from './previews.js'
import { placePage, putPage, type Staying, sentRecord } from './put-page.js'
import { RecordOrder } from './record-order.js'
import { refusedDelivery } from './refused-deliveries.js'
import { RefusedShelf } from './refused-shelf.js'
import { settledBy } from './settlement.js'
import { waitingDelivery } from './taken-in.js'

const pausedMs = 500
const waiting: ReadonlySet<Delivery['state']> = new Set(['waiting'])
const held: ReadonlySet<Delivery['state']> = new Set(['held'])
const unsent: ReadonlySet<Delivery['state']> = new Set(['waiting', 'held'])
const lookedUp: ReadonlySet<Delivery['state']> = new Set(['unclear', 'written'])
const unanswered: ReadonlySet<Delivery['state']> = new Set(['waiting', 'sending', 'unclear'])

export class ConnectionLoop implements Sink {
  readonly name: string
  readonly #options: ConnectionLoopOptions
  readonly #limits: ConnectionLimits
  readonly #order = new RecordOrder()
  readonly #held: HeldDeliveries
  readonly #pace: ConnectionPace
  readonly #shelf: RefusedShelf
  readonly #previews: Previews
  readonly #mayGo = (open: OpenDelivery): boolean =>
    !this.#order.waits(open, this.#book!) && !this.#book!.hasOlder(open) // invariants 6, 7
  #book: DeliveryBook | undefined
  /** Fires when the process aborts; set by `attend`. */
  #aborting: AbortSignal = new AbortController().signal
  #writes: Promise<unknown> = Promise.resolve()
  #woken = new AbortController()
  /** The last look-up since a sending that failed was answered, so the next ones need not go alone. */
  #answersLookups = false
  /** Somebody has asked for something that was not done yet. */
  #isAsked = false
  /** Some of what was asked had no place yet. */
  #isLeftOver = false

  constructor(options: ConnectionLoopOptions) {
    this.name = options.connection
    this.#options = options
    this.#limits = { ...defaultConnectionLimits, ...options.limits }
    const { gate, connection, clock, exceptions, onTrouble, onRefused, random = Math.random } = options
    this.#held = new HeldDeliveries(gate, this.#order, connection)
    this.#pace = new ConnectionPace({ clock, limits: this.#limits, random, onTrouble })
    this.#previews = new Previews(options.connector, clock)
    this.#shelf = new RefusedShelf({
      exceptions,
      order: this.#order,
      onRefused,
      append: changed => this.#append(() => changed),
      find: open => findOne(options.connector, open, this.#aborting),
      nowMs: () => clock.nowMs(),
      openMost: this.#limits.openMost,
    })
  }

  trouble(): SinkTrouble | undefined {
    return this.#pace.trouble
  }

  backlog(): SinkBacklog | undefined {
    return this.#book?.backlog()
  }

  /** Takes the records of a range in. Records taken in before a crash are not taken in again. */
  async apply(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    const refused: RefusedRecord[] = []
    let changed: ChangedDelivery[] = []
    let [rows, bytes] = [0, 0]
    for (const message of range.messages) {
      const taken = this.#options.recordsOf(message)
      if (taken.refused !== undefined) refused.push(taken.refused)
      if (!(await this.#mayTakeIn(signal)))
        return { kind: 'retryable', code: 'connection_backlog', detail: 'too much waits to be sent' }
      if (message.sequence > (this.#book?.takenUpTo ?? 0)) {
        const { connection } = this.#options
        const at = { at: this.#now(), sourceSequence: message.sequence }
        changed.push(...taken.records.map(record => waitingDelivery(connection, record, at)))
        rows += taken.records.length
        bytes += message.bytes.byteLength
      }
      const isLast = message === range.messages.at(-1)
      if (!isLast && changed.length < this.#limits.stepRecords && bytes < this.#limits.stepBytes) continue
      const [takenIn, takenUpTo] = [changed, message.sequence]
      if (takenUpTo > (this.#book?.takenUpTo ?? 0)) await this.#append(() => takenIn, takenUpTo)
      ;[changed, bytes] = [[], 0]
    }
    this.#woken.abort()
    return { kind: 'ok', rows, ...(refused.length === 0 ? {} : { refused }) }
  }

  /** Sends the records that were taken in; when told to stop, ends after the current page. */
  async attend({ stopping, aborting, isPaused }: Attendance): Promise<void> {
    this.#aborting = aborting
    const unwatch = this.#held.watch(() => this.#woken.abort())
    const unwatchRequests = this.#options.requests?.watch(() => {
      this.#isAsked = true
      this.#woken.abort()
    })
    try {
      this.#book = DeliveryBook.of(await this.#options.log.open(stopping))
      await this.#shelf.open(this.#book)
      this.#isAsked = true
      while (!stopping.aborted) {
        if (isPaused()) await this.#options.clock.pause(pausedMs, stopping)
        else await this.#turn(stopping)
      }
    } finally {
      unwatch()
      unwatchRequests?.()
      this.#book = undefined
    }
  }

  async #turn(stopping: AbortSignal): Promise<void> {
    const { connector, clock } = this.#options
    const nowMs = clock.nowMs()
    this.#woken = new AbortController()
    const book = this.#book!
    const hasPlace = book.size <= this.#limits.openMost / 2
    if (this.#isAsked || (this.#isLeftOver && hasPlace)) await this.#doAsked(book)
    await this.#giveWay(book) // invariant 7
    if (await this.#release(book, nowMs)) return
    if (await this.#tellWould(book, stopping)) return
    if (nowMs >= this.#pace.pausedUntilMs) {
      // After a failure one record is looked up, and one sent, alone first. Else a page goes between look-ups, so that many
      // records that wait to be posted there keep no new ones back.
      const { isTroubled } = this.#pace
      const isFirst = isTroubled && !this.#answersLookups
      const unclear = book.due(lookedUp, nowMs, isFirst ? 1 : this.#limits.lookupsAtOnce)
      const isTold = unclear.length > 0 && (await this.#lookUp(unclear, stopping))
      if (unclear.length > 0) this.#answersLookups = isTold && clock.nowMs() >= this.#pace.pausedUntilMs
      if (unclear.length > 0 && isTroubled && (isTold || !(await this.#isReady(stopping)))) return
      if (stopping.aborted || clock.nowMs() < this.#pace.pausedUntilMs) return
      const most = isTroubled ? 1 : connector.pageSize
      const page = book.due(waiting, nowMs, most, this.#mayGo)
      if (page.length > 0) return this.#send(page, stopping)
    }
    const dueMs = [
      book.nextDueMs(lookedUp),
      book.nextDueMs(waiting, this.#mayGo),
      this.#previews.nextMs(book),
    ]
    const untilMs = Math.max(Math.min(...dueMs.map(ms => ms ?? Infinity)), this.#pace.pausedUntilMs)
    const waitMs = Math.min(
      60_000,
      Math.min(untilMs, book.heldCount === 0 ? Infinity : this.#held.askAgainMs) - nowMs,
    )
    await clock.pause(waitMs, AbortSignal.any([stopping, this.#woken.signal]))
  }

  /** What a newer record of its series has outrun is not sent, and waits for nobody. */
  async #giveWay(book: DeliveryBook): Promise<void> {
    await this.#shelf.giveUp(book)
    await this.#shelf.askAgain(book)
    const outrun = book.outrun(unsent)
    if (outrun.length === 0) return
    const at = this.#now()
    await this.#keep({ changed: outrun.map(({ delivery }) => supersededDelivery(delivery, at)), refused: [] })
  }

  /** Of what is held back on purpose: what its sending would change there. True when something was told. */
  async #tellWould(book: DeliveryBook, stopping: AbortSignal): Promise<boolean> {
    const told = await this.#previews.of(book, stopping)
    return this.#keep({ changed: told, refused: [] })
  }

  /** Does what people have asked of single deliveries; what has no place yet stays asked for. */
  async #doAsked(book: DeliveryBook): Promise<void> {
    const { requests } = this.#options
    this.#isAsked = false
    this.#isLeftOver = false
    const asked = (await requests?.list()) ?? []
    if (asked.length === 0) return
    if (asked.some(({ act }) => act === 'reread')) await this.#shelf.relearn()
    const toReopen = asked.filter(one => one.act !== 'reread' && book.get(one.delivery_id) === undefined)
    const isWhole = await this.#shelf.retry(toReopen, book)
    for (const one of asked) {
      const { delivery_id, act } = one
      const open = book.get(delivery_id)
      if (open === undefined) continue
      if (isSettlement(one)) {
        await this.#settleBy(one, open)
        continue
      }
      if (act === 'release') await this.#append(() => [{ ...open.delivery, out_of_order: true }])
      book.postpone(delivery_id, 0, open.lookups)
    }
    this.#held.askAgain()
    for (const one of asked)
      if (isWhole || one.act === 'reread' || book.get(one.delivery_id) !== undefined)
        await requests!.done(one)
    this.#isLeftOver = !isWhole
  }

  /** Nothing is sent again while the receiver may still be at work on the request. */
  async #settleBy(request: StoredRequest, { delivery }: OpenDelivery): Promise<void> {
    const { connector, clock } = this.#options
    const settled = settledBy(delivery, request, clock.nowMs())
    if (settled === undefined) return
    await this.#append(() => [settled])
    this.#book?.postpone(delivery.delivery_id, settlesAtMs(delivery, { connector }), 0)
  }

  /** Takes what the gate holds no longer back to `waiting`; false when nothing changed. */
  async #release(book: DeliveryBook, nowMs: number): Promise<boolean> {
    if (book.heldCount === 0 || nowMs < this.#held.askAgainMs) return false
    const all = book.due(held, Number.POSITIVE_INFINITY, this.#limits.heldMost * 2)
    return this.#keep(await this.#held.release(all, nowMs, this.#now()))
  }

  /** Holds back what the gate does not let out; true when all of the page may go. */
  async #mayLeave(page: readonly OpenDelivery[]): Promise<boolean> {
    const first = await this.#held.hold(page, this.#now())
    if (first.changed.length === 0) return true
    // Many are held at once, so that the log has few steps and what is free follows soon.
    const more = this.#book!.due(waiting, this.#options.clock.nowMs(), this.#limits.stepRecords, this.#mayGo)
    await this.#keep(await this.#held.hold(more, this.#now()))
    return false
  }

  /** Whether anything changed. */
  async #keep({ changed, refused }: Answers): Promise<boolean> {
    if (refused.length > 0) await this.#shelf.setAside(refused) // invariant 4
    const { stepRecords } = this.#limits
    for (let from = 0; from < changed.length; from += stepRecords)
      await this.#append(() => changed.slice(from, from + stepRecords))
    return changed.length > 0
  }

  async #send(page: readonly OpenDelivery[], stopping: AbortSignal): Promise<void> {
    const { connector, clock } = this.#options
    if (!(await this.#mayLeave(page))) return // invariant 6
    if (this.#pace.isTroubled && !(await this.#isReady(stopping))) return
    const { going, staying } = await placePage(connector, page)
    const sentAtMs = clock.nowMs()
    if (going.length > 0)
      await this.#append(() => going.map(({ open, place }) => toSend(open.delivery, place, sentAtMs))) // invariant 2
    for (const { open } of going) this.#book?.noteSending(open.delivery.delivery_id, !this.#pace.isTroubled)
    const sent = await this.#put(
      going.map(({ open }) => this.#book!.get(open.delivery.delivery_id)!),
      sentAtMs,
    )
    await this.#settle([...staying, ...sent])
    // What was not sent says nothing of the receiver, unless it keeps the connection as a whole from going on.
    const told = [...staying.filter(({ outcome }) => !isOver(outcome)), ...sent]
    if (told.length > 0) this.#pace.after(told.map(({ outcome }) => outcome))
    if (this.#pace.isTroubled) this.#answersLookups = false
  }

  /** `fromMs`: when the log says that they were sent. From then on counts how long another process waits for them. */
  async #put(sent: readonly OpenDelivery[], fromMs: number): Promise<readonly Staying[]> {
    if (sent.length === 0) return []
    const taken = (keys: readonly string[], receipt: string) =>
      this.#append(() =>
        sent
          .filter(({ record }) => keys.includes(record.key))
          .map(({ delivery }) => ({ ...this.#book!.get(delivery.delivery_id)!.delivery, receipt })),
      )
    const onSilent = (silence: { readonly code: string; readonly detail: string }) =>
      this.#pace.silent(silence)
    const { connector, clock } = this.#options
    const forMs = fromMs + connector.attemptMs - clock.nowMs()
    const records = sent.map(sentRecord)
    const outcomes = await putPage(connector, records, this.#aborting, { forMs, taken, onSilent })
    return sent.map(({ delivery }, index) => ({
      open: this.#book!.get(delivery.delivery_id)!,
      outcome: outcomes[index]!,
    }))
  }

  /** Keeps what became of each record of a page, sent or not. */
  async #settle(settled: readonly Staying[]): Promise<void> {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const refused = settled.flatMap(({ open, outcome }) =>
      outcome.kind === 'refused'
        ? [refusedDelivery({ ...open, delivery: afterPut(open.delivery, outcome, nowMs) }, outcome)]
        : [],
    )
    if (refused.length > 0) await this.#shelf.setAside(refused) // invariant 4
    await this.#append(() => settled.map(({ open, outcome }) => afterPut(open.delivery, outcome, nowMs)))
    for (const { open, outcome } of settled) {
      this.#options.telemetry?.attempted(outcome.kind, 'code' in outcome ? outcome.code : undefined)
      const { delivery_id: id } = open.delivery
      if (outcome.kind === 'unclear') this.#book?.postpone(id, clock.nowMs() + this.#limits.lookupMs, 0)
      if (outcome.kind === 'written') this.#book?.postpone(id, clock.nowMs() + this.#limits.writtenMs, 0)
    }
  }

  async #isReady(stopping: AbortSignal): Promise<boolean> {
    const { connector } = this.#options
    const deadline = new Deadline(connector.attemptMs, stopping)
    const outcome = await connector.check(deadline.signal)
    deadline.end()
    if (outcome.kind === 'ready') return true
    const askedMs = 'retryAfterMs' in outcome ? outcome.retryAfterMs : undefined
    this.#pace.hold(outcome, outcome.kind === 'stopped', askedMs)
    return false
  }

  /** Whether the receiver has told anything about any of them. */
  async #lookUp(due: readonly OpenDelivery[], stopping: AbortSignal): Promise<boolean> {
    const { connector, clock } = this.#options
    let isTold = false
    const changed: Delivery[] = []
    const answers = findEach(connector, due, this.#aborting, () => stopping.aborted)
    for await (const { open, found } of answers) {
      if (found.kind === 'stopped') {
        this.#pace.hold(found, true)
        isTold = true
        break
      }
      this.#options.telemetry?.attempted(`found_${found.kind}`, 'code' in found ? found.code : undefined)
      isTold ||= found.kind !== 'unknown_yet'
      const next = afterFind(open, found, { connector, limits: this.#limits, ...this.#surroundings(open) })
      const { delivery_id: id } = open.delivery
      if (next.kind === 'refuse')
        await this.#shelf.setAside([refusedDelivery({ ...open, delivery: next.delivery }, next.reason)])
      if (next.kind === 'again') this.#book?.postpone(id, next.dueAtMs, next.lookups)
      else changed.push(next.delivery)
      if (next.kind === 'change') this.#book?.postpone(id, next.dueAtMs ?? clock.nowMs(), 0)
    }
    if (changed.length > 0) await this.#append(() => changed)
    return isTold
  }

  #surroundings(open: OpenDelivery) {
    const { answeredAtMs } = this.#pace
    const isAlone = this.#book!.due(unanswered, Infinity, 2).length < 2
    const [isOfOutage, isOutrun] = [!open.isSentInPeace, this.#book!.isOutrun(open)]
    return { nowMs: this.#options.clock.nowMs(), answeredAtMs, isAlone, isOfOutage, isOutrun }
  }

  /** Writes one step of the log at a time, made from the book as it is when its turn comes. */
  #append(changed: () => readonly ChangedDelivery[], takenUpTo?: number): Promise<void> {
    const done = this.#writes.then(async () => {
      const book = this.#book
      if (book === undefined) throw new Error(`${this.name} is attended no longer`)
      const step = book.step([...changed()], takenUpTo)
      const sequence = await this.#options.log.append(step, this.#aborting)
      book.apply({ ...step, step: '', sequence })
      for (const { state } of step.changed) if (isSettled(state)) this.#options.telemetry?.settled(state)
    })
    this.#writes = done.catch(() => undefined)
    return done
  }

  #now(): string {
    return formatInstantMs(this.#options.clock.nowMs())
  }

  /** Waits until `attend` runs and fewer than `openMost` records are open; false when the signal fired. */
  async #mayTakeIn(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const { size = 0, heldCount = 0 } = this.#book ?? {}
      const { openMost, heldMost } = this.#limits
      if (this.#book !== undefined && size - heldCount < openMost && heldCount < heldMost) return true
      await this.#options.clock.pause(100, signal)
    }
    return false
  }
}
