// The loop of one connection: takes records in from its feed, sends them one page at a time, and moves each
// delivery through the states of schemas/billing/delivery.ts. Its feed uses it as a sink, which has applied a
// range once the delivery log holds the range's records; `attend` sends them at the same time.
// Invariants:
// 1. Retry, waiting and look-ups are here and in no connector.
// 2. `sending` is in the log before a connector gets a record, and its answer is in the log before anything
//    else happens to that record. So after a crash the log tells which records may have been sent.
// 3. A delivery that is `unclear`, or was left in `sending`, is looked up before it is sent again; `absent`
//    counts only when the receiver can no longer be at work on the earlier request.
// 4. A refused record is set aside before its delivery becomes `refused`, and its neighbours go on.
// 5. Memory is bounded: with `openMost` records open, or `heldMost` held, further ones wait in the source stream.
// 6. The gate is asked for each record before `sending` (held-deliveries.ts).

import {
  type ChangedDelivery,
  type Delivery,
  deliveryIdOf,
  withAttempt,
} from '../../schemas/billing/delivery.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { Connector, ConnectorRecord, PutOutcome } from '../../sinks/connector.js'
import type {
  Attendance,
  FeedRange,
  RefusedRecord,
  Sink,
  SinkBacklog,
  SinkOutcome,
  SinkTrouble,
} from '../../sinks/sink.js'
import { backOffMs } from '../broker/back-off.js'
import { type ConnectionLimits, defaultConnectionLimits } from './connection-limits.js'
import type { ConnectionLoopOptions } from './connection-options.js'
import { DeliveryBook, type OpenDelivery } from './delivery-book.js'
import { type Answers, HeldDeliveries } from './held-deliveries.js'
import { putPage } from './put-page.js'
import { type RefusedDelivery, refusedDelivery, reopenedDelivery } from './refused-deliveries.js'
import { isToMend } from './refused-records.js'

const pausedMs = 500
const waiting: ReadonlySet<Delivery['state']> = new Set(['waiting'])
const held: ReadonlySet<Delivery['state']> = new Set(['held'])
const lookedUp: ReadonlySet<Delivery['state']> = new Set(['unclear', 'written'])

export class ConnectionLoop implements Sink {
  readonly name: string
  readonly #options: ConnectionLoopOptions
  readonly #limits: ConnectionLimits
  readonly #held: HeldDeliveries
  #book: DeliveryBook | undefined
  /** Fires when the process aborts; set by `attend`. */
  #aborting: AbortSignal = new AbortController().signal
  #writes: Promise<unknown> = Promise.resolve()
  #woken = new AbortController()
  #pausedUntilMs = 0
  #failures = 0
  #trouble: SinkTrouble | undefined

  constructor(options: ConnectionLoopOptions) {
    this.name = options.connection
    this.#options = options
    this.#limits = { ...defaultConnectionLimits, ...options.limits }
    this.#held = new HeldDeliveries(options.gate, options.connection)
  }

  trouble(): SinkTrouble | undefined {
    return this.#trouble
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
        changed.push(...taken.records.map(record => this.#waitingFor(record, message.sequence)))
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
    try {
      this.#book = DeliveryBook.of(await this.#options.log.open(stopping))
      await this.#reopen()
      while (!stopping.aborted) {
        if (isPaused()) await this.#options.clock.pause(pausedMs, stopping)
        else await this.#turn(stopping)
      }
    } finally {
      unwatch()
      this.#book = undefined
    }
  }

  async #turn(stopping: AbortSignal): Promise<void> {
    const { connector, clock } = this.#options
    const nowMs = clock.nowMs()
    this.#woken = new AbortController()
    const book = this.#book!
    if (await this.#release(book, nowMs)) return
    if (nowMs >= this.#pausedUntilMs) {
      const unclear = book.due(lookedUp, nowMs, this.#limits.lookupsAtOnce)
      if (unclear.length > 0) return this.#lookUp(unclear, stopping)
      // After a failure one record is sent alone first.
      const page = book.due(waiting, nowMs, this.#failures > 0 ? 1 : connector.pageSize)
      if (page.length > 0) return this.#send(page, stopping)
    }
    const dueMs = [book.nextDueMs(lookedUp), book.nextDueMs(waiting)].filter(ms => ms !== undefined)
    const untilMs = dueMs.length === 0 ? Infinity : Math.max(Math.min(...dueMs), this.#pausedUntilMs)
    const waitMs = Math.min(
      60_000,
      Math.min(untilMs, book.heldCount === 0 ? Infinity : this.#held.askAgainMs) - nowMs,
    )
    await clock.pause(waitMs, AbortSignal.any([stopping, this.#woken.signal]))
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
    const more = this.#book!.due(waiting, this.#options.clock.nowMs(), this.#limits.stepRecords)
    await this.#keep(await this.#held.hold(more, this.#now()))
    return false
  }

  /** Whether anything changed. */
  async #keep({ changed, refused }: Answers): Promise<boolean> {
    if (refused.length > 0) await this.#setAside(refused) // invariant 4
    const { stepRecords } = this.#limits
    for (let from = 0; from < changed.length; from += stepRecords)
      await this.#append(() => changed.slice(from, from + stepRecords))
    return changed.length > 0
  }

  async #send(page: readonly OpenDelivery[], stopping: AbortSignal): Promise<void> {
    if (!(await this.#mayLeave(page))) return // invariant 6
    if (this.#failures > 0 && !(await this.#isReady(stopping))) return
    await this.#append(() => page.map(open => this.#inState(open.delivery, 'sending'))) // invariant 2
    const records = page.map(({ record }) => record)
    const outcomes = await putPage(this.#options.connector, records, this.#aborting, silence => {
      const atMs = this.#options.clock.nowMs()
      this.#trouble = { ...silence, isStopped: true, attempts: this.#failures + 1, atMs }
      this.#options.onTrouble?.(this.#trouble)
    })
    const settled = page.map((open, index) => ({ open, outcome: outcomes[index]! }))
    const refused = settled.flatMap(({ open, outcome }) =>
      outcome.kind === 'refused' ? [refusedDelivery(open, outcome)] : [],
    )
    if (refused.length > 0) await this.#setAside(refused) // invariant 4
    await this.#append(() => settled.map(({ open, outcome }) => this.#afterPut(open.delivery, outcome)))
    const lookupAtMs = this.#options.clock.nowMs() + this.#limits.lookupMs
    const writtenAtMs = this.#options.clock.nowMs() + this.#limits.writtenMs
    for (const { open, outcome } of settled) {
      if (outcome.kind === 'unclear') this.#book?.postpone(open.delivery.delivery_id, lookupAtMs, 0)
      if (outcome.kind === 'written') this.#book?.postpone(open.delivery.delivery_id, writtenAtMs, 0)
    }
    this.#pace(outcomes)
  }

  #afterPut(delivery: Delivery, outcome: PutOutcome): Delivery {
    const code = 'code' in outcome ? { code: outcome.code, detail: outcome.detail.slice(0, 500) } : {}
    const tried = withAttempt(delivery, { at: this.#now(), outcome: outcome.kind, ...code })
    switch (outcome.kind) {
      case 'accepted':
        return { ...this.#inState(tried, 'posted'), external_id: outcome.externalId }
      case 'written':
        return { ...this.#inState(tried, 'written'), external_id: outcome.externalId }
      case 'refused':
        return this.#inState(tried, 'refused')
      case 'unclear':
        return this.#inState(tried, 'unclear')
      case 'throttled':
      case 'stopped':
        return this.#inState(tried, 'waiting')
      default:
        return outcome satisfies never
    }
  }

  /** Decides from one page's outcomes whether the whole connection waits before the next page. */
  #pace(outcomes: readonly PutOutcome[]): void {
    const nowMs = this.#options.clock.nowMs()
    const stopped = outcomes.find(one => one.kind === 'stopped')
    const trouble = stopped ?? outcomes.find(one => one.kind === 'throttled' || one.kind === 'unclear')
    if (trouble === undefined) {
      this.#failures = 0
      this.#trouble = undefined
      return
    }
    const waits = outcomes.flatMap(one =>
      one.kind === 'throttled' && one.retryAfterMs !== undefined ? [one.retryAfterMs] : [],
    )
    const asked = waits.length === 0 ? undefined : Math.max(...waits)
    this.#hold(trouble, stopped !== undefined, nowMs, asked)
  }

  #hold(
    { code, detail }: { readonly code: string; readonly detail: string },
    isStopped: boolean,
    nowMs: number,
    askedMs?: number,
  ): void {
    this.#failures += 1
    const random = (this.#options.random ?? Math.random)()
    const waitMs = isStopped
      ? this.#limits.stoppedMs
      : (askedMs ?? backOffMs(this.#failures, this.#limits, random))
    this.#pausedUntilMs = nowMs + waitMs
    this.#trouble = { code, detail, isStopped, attempts: this.#failures, atMs: nowMs }
    this.#options.onTrouble?.(this.#trouble)
  }

  async #isReady(stopping: AbortSignal): Promise<boolean> {
    const { connector, clock } = this.#options
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(connector.attemptMs)])
    const outcome = await connector.check(signal)
    if (outcome.kind === 'ready') return true
    const isStopped = outcome.kind === 'stopped'
    this.#hold(
      outcome,
      isStopped,
      clock.nowMs(),
      'retryAfterMs' in outcome ? outcome.retryAfterMs : undefined,
    )
    return false
  }

  async #lookUp(due: readonly OpenDelivery[], stopping: AbortSignal): Promise<void> {
    const { connector, clock } = this.#options
    const changed: Delivery[] = []
    for (const open of due) {
      if (stopping.aborted) break
      const signal = AbortSignal.any([AbortSignal.timeout(connector.attemptMs), this.#aborting])
      const outcome = await connector.find(open.record, signal)
      const next = await this.#afterFind(open, outcome, clock.nowMs())
      if (next !== undefined) changed.push(next)
      if (outcome.kind === 'stopped') break
    }
    if (changed.length > 0) await this.#append(() => changed)
  }

  /** The delivery after a look-up; undefined when it stays as it is and is looked up again. */
  async #afterFind(
    open: OpenDelivery,
    outcome: Awaited<ReturnType<Connector['find']>>,
    nowMs: number,
  ): Promise<Delivery | undefined> {
    const { delivery, lookups } = open
    const { delivery_id: id } = delivery
    const found = withAttempt(delivery, { at: this.#now(), outcome: `found_${outcome.kind}` })
    switch (outcome.kind) {
      case 'there': {
        const { state, externalId } = outcome
        if (state === delivery.state) return this.#again(id, nowMs + this.#limits.writtenMs, 0)
        return { ...this.#inState(found, state), external_id: externalId }
      }
      case 'absent': {
        if (delivery.state === 'written') return this.#gone(open)
        const settledAtMs = this.#settledAtMs(delivery)
        if (nowMs < settledAtMs) return this.#again(id, settledAtMs, lookups + 1) // invariant 3
        return this.#inState(found, 'waiting')
      }
      case 'repeatable':
        return delivery.state === 'written' ? this.#inState(found, 'posted') : this.#inState(found, 'waiting')
      case 'unknown_yet':
        return this.#again(id, nowMs + backOffMs(lookups + 1, this.#limits, 1), lookups + 1)
      case 'stopped':
        this.#hold(outcome, true, nowMs)
        return undefined
      default:
        return outcome satisfies never
    }
  }

  #again(id: string, dueAtMs: number, lookups: number): undefined {
    this.#book?.postpone(id, dueAtMs, lookups)
  }

  /** From then on neither the receiver nor an earlier process of ours can be at work on the request. */
  #settledAtMs({ at }: Delivery): number {
    const { settlesWithinMs, attemptMs } = this.#options.connector
    return settlesWithinMs === 0 ? 0 : Date.parse(at) + attemptMs + settlesWithinMs
  }

  /** Refuses a delivery that was written and not posted, because the receiver no longer has it. */
  async #gone(open: OpenDelivery): Promise<Delivery> {
    const reason = {
      code: 'written_record_gone',
      detail: `${open.delivery.external_id ?? ''} is not there any more`,
    }
    await this.#setAside([refusedDelivery(open, reason)])
    return this.#inState(withAttempt(open.delivery, { at: this.#now(), outcome: 'found_absent' }), 'refused')
  }

  async #setAside(refused: readonly RefusedDelivery[]): Promise<void> {
    await this.#options.exceptions.setAside(refused)
    this.#options.onRefused?.(refused)
  }

  /** Tries each refused record once whenever the connection begins, as somebody may have fixed the reason. */
  async #reopen(): Promise<void> {
    const { exceptions } = this.#options
    for (const record of await exceptions.list()) {
      const reopened = reopenedDelivery(record)
      if (reopened === undefined || !isToMend(record)) continue
      if (this.#book!.size >= this.#limits.openMost) return
      const isOpen = this.#book!.get(reopened.delivery_id) !== undefined
      if (!isOpen) await this.#append(() => [{ ...reopened, state: 'waiting', at: this.#now() }])
      await exceptions.takeBack(record)
    }
  }

  /** Writes one step of the log at a time, made from the book as it is when its turn comes. */
  #append(changed: () => readonly ChangedDelivery[], takenUpTo?: number): Promise<void> {
    const done = this.#writes.then(async () => {
      const book = this.#book
      if (book === undefined) throw new Error(`${this.name} is attended no longer`)
      const step = book.step([...changed()], takenUpTo)
      const sequence = await this.#options.log.append(step, this.#aborting)
      book.apply({ ...step, step: '', sequence })
    })
    this.#writes = done.catch(() => undefined)
    return done
  }

  #waitingFor(record: ConnectorRecord, sourceSequence: number): ChangedDelivery {
    const { connection } = this.#options
    const { kind, id, key, recordedAt, document } = record
    return {
      delivery_id: deliveryIdOf(connection, record),
      connection,
      record: { kind, id },
      key,
      state: 'waiting',
      at: this.#now(),
      attempts: [],
      attempt_count: 0,
      recorded_at: recordedAt,
      document: { ...document },
      source_sequence: sourceSequence,
    }
  }

  #inState(delivery: Delivery, state: Delivery['state']): Delivery {
    return { ...delivery, state, at: this.#now() }
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
