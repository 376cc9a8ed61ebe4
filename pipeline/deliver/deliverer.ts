// The loop that feeds a sink, one deliverer per feed: read a range, record the intent, let the sink apply it
// in one idempotent attempt, record the position.
// Invariants:
// 1. Only the recorded intent is applied, and the next intent is recorded only after the last one is applied.
//    So after a crash the same range goes to the sink again, under the same token, before anything else.
// 2. Only the process that holds the lease applies; a fenced one stops at its next write (delivery-lease.ts).
// 3. Retry, back-off and pause are here and in no sink. A feed applies one range at a time, so the back-off
//    is the circuit breaker: a sink that is down gets one attempt per back-off.
// 4. A sink that is down stops only its own feeds. A record that a sink refuses because of its content stops
//    no feed: it is set aside alone (refused-records.ts).

import { randomUUID } from 'node:crypto'
import { Deadline } from '../../sinks/deadline.js'
import type { Apart, FeedRange, RefusedRecord, SinkOutcome } from '../../sinks/sink.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import { genesisOf } from '../broker/genesis.js'
import { beginSpan, linkIn } from '../tracing/spans.js'
import { assertDeliverLimits, type DeliverLimits, defaultDeliverLimits } from './deliver-limits.js'
import { isCovered, recordedPosition } from './delivered.js'
import type { DelivererOptions } from './deliverer-options.js'
import {
  DeliveryLease,
  FeedFailure,
  FencedError,
  refuseLostPosition,
  waitForVacancy,
} from './delivery-lease.js'
import { DeliveryProgress } from './delivery-progress.js'
import type { Heads, Intent } from './delivery-record.js'
import type { DeliveryState, DeliveryStatus } from './delivery-status.js'
import { isThinned } from './feed.js'
import { untilChange } from './flow-gate.js'
import { LedgerCommits } from './ledger-commits.js'
import { RangeCutter } from './range-cutter.js'
import { type ReadMessage, readFeed, readRange } from './read-feed.js'
import { readLedger } from './read-ledger.js'
import { isToMend, listSetAside, setAside, takeBack } from './refused-records.js'

type ReadRange = Omit<FeedRange, 'messages'> & { readonly messages: readonly ReadMessage[] }

const motionless: ReadonlySet<DeliveryState> = new Set(['paused', 'blocked', 'standby', 'failed', 'stopped'])

export class Deliverer {
  readonly #options: DelivererOptions
  readonly #limits: DeliverLimits
  readonly #owner = randomUUID()
  readonly #stopping = new AbortController()
  readonly #aborting = new AbortController()
  #loop: Promise<void> | undefined
  #renewal: NodeJS.Timeout | undefined
  #lease: DeliveryLease | undefined
  #cutter: RangeCutter | undefined
  #commits: LedgerCommits | undefined
  readonly #progress: DeliveryProgress
  /** The first claim takes the feed from its owner; later claims succeed only when the feed is vacant. */
  #mayTake = true
  /** Fires when delivery must end: this deliverer stops, or the sink's `attend` has ended or failed. */
  #ending: AbortSignal = this.#stopping.signal

  constructor(options: DelivererOptions) {
    this.#options = options
    this.#limits = { ...defaultDeliverLimits, ...options.limits }
    assertDeliverLimits(this.#limits)
    this.#progress = new DeliveryProgress(options, this.#limits.retryMaxMs, () => ({
      record: this.#lease?.record,
      behind: this.#cutter?.behind,
      oldestStoredAtMs: this.#cutter?.oldestStoredAtMs,
    }))
  }

  /** Begins to deliver in the background; trouble shows in the status. */
  start(): void {
    if (this.#loop !== undefined) throw new Error(`${this.#options.key} was started before`)
    this.#loop = this.#run()
    this.#renewal = setInterval(() => this.#renew(), this.#limits.leaseMs / 6)
    this.#renewal.unref()
  }

  /** Delivers what the stream holds now, then closes; closes earlier at the deadline or when motionless. */
  async drain(deadlineMs: number): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs)
    const info = await this.#options.jsm.streams.info(this.#options.stream)
    while (!signal.aborted && !motionless.has(this.#progress.state)) {
      if (await this.#isDelivered(info.state.last_seq)) break
      await this.#progress.changed(signal, 100)
    }
    await this.close()
  }

  /** Ends after the current attempt and releases the lease. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#end()
    await this.#lease?.release().catch(() => undefined) // a standby takes over when the lease runs out
    this.#progress.set('stopped')
  }

  /** Ends at once and aborts the current attempt. */
  async abort(): Promise<void> {
    this.#aborting.abort()
    this.#stopping.abort()
    await this.#end()
    this.#progress.set('stopped')
  }

  status(): DeliveryStatus {
    return this.#progress.status()
  }

  /** Resolves when the sink has everything up to this stream sequence, whichever process delivers it. */
  async waitUntilDelivered(sequence: number, signal: AbortSignal): Promise<void> {
    while (!(await this.#isDelivered(sequence))) {
      signal.throwIfAborted()
      await this.#progress.changed(signal, this.#progress.state === 'running' ? 500 : 100)
    }
  }

  async #isDelivered(sequence: number): Promise<boolean> {
    const position = await this.#position()
    if (position >= sequence) return true
    return this.#cutter?.behind ? false : isCovered(this.#options, position, sequence)
  }

  async #position(): Promise<number> {
    const ours = Math.max(this.#progress.applied, this.#lease?.record.position ?? 0)
    if (this.#cutter !== undefined) return ours
    return Math.max(ours, await recordedPosition(this.#options.kv, this.#options.key)) // another may deliver
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      try {
        this.#progress.set('starting')
        await this.#deliver(() => (failures = 0))
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof FeedFailure) return this.#progress.set('failed', error.code, error.message)
        if (error instanceof FencedError) await this.#standBy(error.message)
        else {
          failures += 1
          this.#progress.set('retrying', 'not_started', String(error))
          await this.#backOff(failures)
        }
      }
    }
  }

  async #standBy(detail: string): Promise<void> {
    this.#lease = undefined
    this.#progress.applyingStoredAtMs = undefined
    this.#progress.set('standby', 'fenced', detail)
    await waitForVacancy(this.#options.kv, this.#options.key, this.#limits.leaseMs, this.#stopping.signal)
    this.#mayTake = true
  }

  /** Claims the feed and delivers until told to stop. */
  async #deliver(onProgress: () => void): Promise<void> {
    const { kv, key, jsm, stream } = this.#options
    const { signal } = this.#stopping
    const info = await jsm.streams.info(stream)
    await refuseLostPosition(kv, key, this.#options.sink, signal)
    const lease = await DeliveryLease.claim(kv, key, this.#owner, String(info.created), this.#mayTake)
    this.#lease = lease
    this.#mayTake = false
    const { position, intent } = lease.record
    this.#commits = await this.#openCommits(lease)
    await this.#whileAttended(async () => {
      const signal = this.#ending
      if (intent !== null) {
        const read = this.#read(position + 1, signal)
        const range = await readRange(this.#options, intent, read, signal)
        if (signal.aborted || !(await this.#apply(lease, range))) return
        await lease.write({ position: intent.to, intent: null, ...this.#headsAt(intent.to) })
      } else if (info.state.first_seq > position + 1 && !isThinned(stream)) {
        const detail = `${stream} begins at ${info.state.first_seq}, behind the position ${position}`
        throw new FeedFailure('stream_truncated', detail)
      }
      await this.#tryRefused(signal)
      await this.#deliverFrom(lease, onProgress)
    })
  }

  /** Runs the sink's `attend` beside the delivery. When one ends, so does the other; errors are thrown. */
  async #whileAttended(deliver: () => Promise<void>): Promise<void> {
    const { sink } = this.#options
    if (sink.attend === undefined) return deliver()
    const ended = new AbortController()
    this.#ending = AbortSignal.any([this.#stopping.signal, ended.signal])
    const attendance = {
      stopping: this.#ending,
      aborting: this.#aborting.signal,
      isPaused: () => this.#options.gate.hold() !== undefined,
    }
    const attended = sink.attend(attendance).finally(() => ended.abort())
    const [delivered, work] = await Promise.allSettled([deliver().finally(() => ended.abort()), attended])
    this.#ending = this.#stopping.signal
    if (delivered.status === 'rejected') throw delivered.reason
    if (work.status === 'rejected') throw work.reason
  }

  async #deliverFrom(lease: DeliveryLease, onProgress: () => void): Promise<void> {
    const cutter = new RangeCutter(
      (from, cutterSignal) => this.#read(from, cutterSignal),
      lease.record.position + 1,
      this.#limits,
      error => this.#progress.set(this.#progress.state, 'feed_interrupted', String(error)),
      this.#options.underWay,
    )
    this.#cutter = cutter
    try {
      this.#progress.run()
      onProgress()
      await this.#deliverRanges(lease, cutter)
    } finally {
      this.#cutter = undefined
      await cutter.close()
    }
  }

  async #openCommits({ record }: DeliveryLease): Promise<LedgerCommits | undefined> {
    const { authenticates, jsm } = this.#options
    if (authenticates !== true) return undefined
    return LedgerCommits.open({
      source: this.#options,
      genesis: await genesisOf(jsm),
      heads: record.heads ?? {},
      position: record.position,
      onForeign: message => this.#options.onForeign?.(message),
    })
  }

  #headsAt(position: number): { readonly heads?: Heads } {
    return this.#commits === undefined ? {} : { heads: this.#commits.headsAt(position) }
  }

  #read(from: number, signal: AbortSignal): AsyncIterable<ReadMessage> {
    const { recent } = this.#options
    const source = this.#commits?.source ?? this.#options
    const messages =
      recent === undefined
        ? readFeed(source, from, this.#limits, signal)
        : readLedger(source, recent, from, this.#limits, signal)
    return this.#commits?.authentic(messages) ?? messages
  }

  async #deliverRanges(lease: DeliveryLease, cutter: RangeCutter): Promise<void> {
    const signal = this.#ending
    for (;;) {
      const messages = await cutter.next(signal)
      const [first, last] = [messages[0], messages.at(-1)]
      if (first === undefined || last === undefined) return
      const intent = this.#intent(lease, first.sequence, last.sequence)
      const position = Math.max(this.#progress.applied, lease.record.position)
      await lease.write({ position, intent, ...this.#headsAt(position) }) // invariant 1
      if (!(await this.#apply(lease, { stream: this.#options.stream, messages, ...intent }))) return
      // When the next range is ready, the write of its intent records this position: one write per range.
      if (!cutter.ready) await lease.write({ position: intent.to, intent: null, ...this.#headsAt(intent.to) })
    }
  }

  #intent(lease: DeliveryLease, from: number, to: number): Intent {
    const { key, stream } = this.#options
    const created = Date.parse(lease.record.streamCreated).toString(36)
    return { from, to, token: `${key}:${stream}@${created}:${from}-${to}` }
  }

  /** The same as `#attempts`, within a span that is linked to the commits that the range came from. */
  async #apply(lease: DeliveryLease, read: ReadRange): Promise<boolean> {
    const { key } = this.#options
    const span = beginSpan(`deliver ${key}`, 'consume', { 'weir.feed': key, 'weir.range': read.token })
    span.linkTo(() => read.messages.map(({ header }) => header && linkIn(header)))
    let isApplied = false
    try {
      isApplied = await this.#attempts(lease, read)
      return isApplied
    } finally {
      span.end({ 'weir.messages': read.messages.length }, isApplied ? undefined : 'not delivered here')
    }
  }

  /** Attempts the range until the sink has it; false when told to stop before that. */
  async #attempts(lease: DeliveryLease, read: ReadRange): Promise<boolean> {
    const messages = read.messages.filter(({ foreign }) => foreign !== true)
    this.#progress.applyingStoredAtMs = messages[0]?.storedAtMs
    for (let attempt = 1; ; attempt += 1) {
      const range: FeedRange = { ...read, messages, apart: lease.record.intent?.apart ?? [] }
      await this.#whileHeld(lease, range.messages.length)
      if (this.#ending.aborted) return false
      this.#progress.applyingSinceMs ??= Date.now()
      const startedAtMs = performance.now()
      const outcome = await this.#attempt(range)
      if (outcome.kind === 'apart') {
        await this.#takeApart(lease, outcome)
        continue
      }
      if (outcome.kind === 'ok') {
        await this.#setAside(outcome.refused ?? [])
        this.#options.recent?.release(range.messages)
        this.#progress.noteApplied(range, outcome.rows, (performance.now() - startedAtMs) / 1_000)
        return true
      }
      if (this.#aborting.signal.aborted) return false
      this.#progress.set(
        outcome.kind === 'rejected' ? 'blocked' : 'retrying',
        outcome.code,
        outcome.detail,
        attempt,
      )
      await this.#backOff(outcome.kind === 'rejected' ? 64 : attempt)
      await lease.refresh() // throws when the lease is lost (invariant 2)
    }
  }

  /** Records first which part is taken apart, so that it is never tried whole again (sinks/sink.ts). */
  async #takeApart(lease: DeliveryLease, { name, code, detail }: Apart): Promise<void> {
    const { intent } = lease.record
    if (intent === null) throw new Error('a range without an intent')
    const apart = [...(intent.apart ?? []), { name, code, detail: detail.slice(0, 500) }]
    await lease.write({ intent: { ...intent, apart } })
  }

  async #setAside(records: readonly RefusedRecord[]): Promise<void> {
    if (records.length === 0) return
    const { kv, key, stream } = this.#options
    await setAside(kv, key, stream, records)
    this.#progress.refused = (await listSetAside(kv, key)).filter(isToMend).length
    const { code, detail, name } = records[0]!
    this.#options.onRefused?.({ key, records })
    this.#progress.set(
      this.#progress.state,
      code,
      `${records.length} records set aside, the first ${name}: ${detail}`,
    )
  }

  /** Tries each record set aside once whenever the feed begins, as somebody may have fixed the reason. */
  async #tryRefused(signal: AbortSignal): Promise<void> {
    const { kv, key, sink } = this.#options
    const records = await listSetAside(kv, key)
    this.#progress.refused = records.filter(isToMend).length
    if (sink.applyRefused === undefined || this.#options.gate.hold() !== undefined) return
    for (const record of records) {
      if (signal.aborted) return
      const outcome = await sink.applyRefused(record, signal)
      if (outcome.kind !== 'ok' || (outcome.refused ?? []).length > 0) continue
      await takeBack(kv, record)
      this.#progress.refused -= 1
    }
  }

  async #attempt(range: FeedRange): Promise<SinkOutcome> {
    if (range.messages.length === 0) return { kind: 'ok', rows: 0 }
    const deadline = new Deadline(this.#limits.applyTimeoutMs, this.#aborting.signal)
    try {
      return await this.#options.sink.apply(
        { ...range, onProgress: () => deadline.putOff() },
        deadline.signal,
      )
    } catch (error) {
      // `Sink` forbids throwing, so this is a bug of the sink; it must not end the other feeds (invariant 4).
      return { kind: 'rejected', code: 'sink_bug', detail: String((error as Error).stack ?? error) }
    } finally {
      deadline.end()
    }
  }

  async #whileHeld(lease: DeliveryLease, messages: number): Promise<void> {
    const signal = this.#ending
    this.#progress.heldMessages = messages
    while (!signal.aborted && (this.#options.gate.hold() ?? lease.record.heldBy) !== undefined) {
      this.#progress.set('paused')
      this.#progress.applyingSinceMs = undefined
      await untilChange(this.#options.gate, 500, signal) // a hold may end by itself
      await lease.refresh()
    }
    this.#progress.heldMessages = 0
    if (this.#progress.state === 'paused' && !signal.aborted) this.#progress.set('running')
  }

  #backOff(failures: number): Promise<void> {
    const random = this.#options.random ?? Math.random
    return pauseFor(backOffMs(failures, this.#limits, random()), this.#ending)
  }

  /** Keeps the lease alive while idle, during a long attempt and in a back-off; a fence shows at the next write. */
  #renew(): void {
    if (this.#lease === undefined || this.#progress.state === 'standby' || this.#progress.state === 'failed')
      return
    if (this.#lease.idleMs > this.#limits.leaseMs / 3) this.#lease.write({}).catch(() => undefined)
  }

  async #end(): Promise<void> {
    if (this.#renewal !== undefined) clearInterval(this.#renewal)
    await this.#loop
  }
}
