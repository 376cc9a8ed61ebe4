// The mapper of one source: reads its arrivals in their order, settles them a few at a time, and tries those that wait again
// when what they wait for may be there.
// Invariants:
// 1. One thing at a time writes for the source (`#alone`), and of several processes one (outcome-log.ts).
// 2. What fails for a reason outside (the broker, the pipeline behind) is made again after a pause; nothing is passed over.
// 3. After a start, the first arrivals may have been published under the mapping of the checkpoint without being on record.
//    If the mapping is another one now, their events get ids that name the revision.

import { DeliverPolicy, type JetStreamClient } from '@nats-io/jetstream'
import type { Logger } from 'pino'
import type { SourceCheckpoint } from '../../schemas/arrival-outcome.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import { natsSubjects } from '../broker/topology.js'
import { partitionStopped } from '../gateway/sort-events.js'
import { type ArrivalLog, fromMessage } from './arrival-log.js'
import type { MappingRules, RulesInForce } from './mapping-rules.js'
import { type SettleParts, settle, type ToSettle } from './settle.js'
import type { Arrival } from './source-kind.js'
import type { SourceStatus } from './source-status.js'
import type { SourceTelemetry } from './telemetry.js'
import type { WaitingArrival } from './waiting-shelf.js'

export interface MapperParts extends SettleParts {
  readonly js: JetStreamClient
  readonly arrivals: ArrivalLog
  readonly rules: MappingRules
  readonly telemetry: Pick<SourceTelemetry, 'mapped'>
  readonly log: Logger
  /** How often it is looked whether what waits can go on. Default 2 s. */
  readonly lookEveryMs?: number | undefined
}

/** Arrivals of one step. */
const stepMost = 100
const lookEveryMs = 2_000
/** Arrivals whose ids are asked for at a time. */
const looksMost = 200
const stoppedEveryMs = 30_000
const pauses = { retryMinMs: 100, retryMaxMs: 10_000 }

export class SourceMapper {
  readonly #parts: MapperParts
  readonly #ending = new AbortController()
  #checkpoint: SourceCheckpoint | undefined
  /** Arrivals after the checkpoint that may have been published under `#lastMapping`: invariant 3. */
  #uncertain = stepMost
  #lastMapping: string | undefined
  #behind = 0
  #trouble: SourceStatus['trouble']
  #turn: Promise<unknown> = Promise.resolve()
  #running: Promise<unknown> = Promise.resolve()
  #lookedUpTo = 0
  #stopReading: () => void = () => undefined

  constructor(parts: MapperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = Promise.all([this.#follow(), this.#look()])
  }

  /** Finishes the step in hand. */
  async drain(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  status(): SourceStatus {
    const { source, shelf, rules } = this.#parts
    return {
      source: source.settings.name,
      kind: source.kind.kind,
      position: this.#checkpoint?.position ?? 0,
      arrivals: this.#checkpoint?.arrivals ?? 0,
      waiting: shelf.size,
      behind: this.#behind,
      revision: this.#checkpoint?.revision ?? 0,
      trouble: this.#trouble ?? rules.trouble,
    }
  }

  /** Tries those that wait now, whatever they wait for. Answers how many were tried and how many wait on. */
  async retry(ids?: ReadonlySet<string>): Promise<{ readonly tried: number; readonly waiting: number }> {
    for (const id of ids ?? []) await this.#parts.shelf.refresh(id) // it may be beyond what is in memory
    const wanted = this.#parts.shelf.all().filter(one => ids?.has(one.arrival_id) ?? true)
    await this.#tryAgain(wanted)
    const waiting = wanted.filter(one => this.#parts.shelf.get(one.arrival_id) !== undefined).length
    return { tried: wanted.length, waiting }
  }

  /** Does `work` while nothing else writes for this source. It answers the checkpoint that it wrote. */
  async alone(
    work: (checkpoint: SourceCheckpoint, inForce: RulesInForce) => Promise<SourceCheckpoint>,
  ): Promise<void> {
    await this.#alone(async () => {
      const inForce = await this.#rules()
      if (inForce === undefined) return
      try {
        this.#checkpoint = await work(this.#next(inForce), inForce)
      } catch (error) {
        this.#fail(error)
        throw error
      }
    })
  }

  /** Undefined where there never were any. */
  rulesInForce(): RulesInForce | undefined {
    return this.#parts.rules.read()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#alone(() => this.#open())
        for await (const arrivals of this.#incoming()) {
          await this.#alone(() => this.#take(arrivals))
          failures = 0
          this.#trouble = undefined
        }
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        this.#fail(error)
        await pauseFor(backOffMs(failures, pauses), signal)
      }
    }
  }

  #fail(error: unknown): void {
    const { source, log } = this.#parts
    const code = (error as { code?: unknown }).code
    const detail = error instanceof Error ? error.message : String(error)
    this.#trouble = { code: typeof code === 'string' ? code : 'source_stalled', detail }
    this.#uncertain = stepMost
    this.#stopReading() // it reads the checkpoint again
    log.warn(
      { source: source.settings.name, ...this.#trouble },
      'a source is not being mapped; it is tried again',
    )
  }

  async #open(): Promise<void> {
    const { outcomes, shelf, states } = this.#parts
    states.forget()
    this.#checkpoint = await outcomes.read()
    this.#lastMapping = this.#checkpoint?.mapping
    this.#uncertain = stepMost
    await shelf.open()
  }

  /** What comes, in pieces of at most one step; a piece ends where nothing more is there yet. */
  async *#incoming(): AsyncGenerator<readonly Arrival[], void, undefined> {
    const { js, source } = this.#parts
    const { signal } = this.#ending
    const consumer = await js.consumers.get('ARRIVALS', {
      filter_subjects: [natsSubjects.arrivals(source.settings.name)],
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: (this.#checkpoint?.position ?? 0) + 1,
    })
    const messages = await consumer.consume({ max_messages: stepMost, idle_heartbeat: 1_000, expires: 5_000 })
    const stop = (): void => messages.stop()
    this.#stopReading = stop
    signal.addEventListener('abort', stop, { once: true })
    try {
      if (signal.aborted) return // it was told to end while the consumer was being made: no event tells of it any more
      let piece: Arrival[] = []
      for await (const message of messages) {
        if (signal.aborted) return
        piece.push(fromMessage(message))
        this.#behind = message.info.pending + piece.length
        if (piece.length < stepMost && message.info.pending > 0) continue
        yield piece
        piece = []
        this.#behind = message.info.pending
      }
    } finally {
      signal.removeEventListener('abort', stop)
      messages.stop()
      await consumer.delete().catch(() => false) // it would expire by itself
    }
  }

  async #take(arrivals: readonly Arrival[]): Promise<void> {
    const inForce = await this.#rules()
    if (inForce === undefined) return
    const isCorrection = this.#lastMapping !== undefined && this.#lastMapping !== inForce.mapping
    const all: ToSettle[] = arrivals.map((arrival, index) => ({
      arrival,
      isCorrection: isCorrection && index < this.#uncertain,
    }))
    const before = this.#next(inForce)
    const checkpoint: SourceCheckpoint = {
      ...before,
      position: arrivals.at(-1)?.sequence ?? before.position,
      arrivals: before.arrivals + arrivals.length,
    }
    const outcomes = await settle(this.#parts, all, inForce, checkpoint)
    this.#uncertain = Math.max(0, this.#uncertain - arrivals.length)
    this.#lastMapping = isCorrection && this.#uncertain > 0 ? this.#lastMapping : inForce.mapping
    this.#checkpoint = checkpoint
    for (const { state } of outcomes) this.#parts.telemetry.mapped(this.#parts.source.settings.name, state)
  }

  /** Waits for rules where there never were any. Undefined: it is to end. */
  async #rules(): Promise<RulesInForce | undefined> {
    for (;;) {
      const inForce = this.#parts.rules.read()
      if (inForce !== undefined || this.#ending.signal.aborted) return inForce
      await pauseFor(lookEveryMs, this.#ending.signal)
    }
  }

  /** The checkpoint as it stands, under the mapping in force. */
  #next({ mapping }: RulesInForce): SourceCheckpoint {
    const last = this.#checkpoint
    if (last === undefined) return { position: 0, arrivals: 0, mapping, revision: 0 }
    return last.mapping === mapping ? last : { ...last, mapping, revision: last.revision + 1 }
  }

  async #look(): Promise<void> {
    const { signal } = this.#ending
    let stoppedAtMs = 0
    while (!signal.aborted) {
      await pauseFor(this.#parts.lookEveryMs ?? lookEveryMs, signal)
      if (signal.aborted) return
      try {
        const inForce = this.#parts.rules.read()
        if (inForce === undefined) continue
        await this.#alone(() => this.#parts.shelf.refill())
        const isTimeForStopped = this.#parts.nowMs() - stoppedAtMs >= stoppedEveryMs
        if (isTimeForStopped) stoppedAtMs = this.#parts.nowMs()
        const due = this.#parts.shelf
          .all()
          .filter(
            one =>
              one.fetch === undefined &&
              (one.mapping !== inForce.mapping || (isTimeForStopped && one.code === partitionStopped)),
          )
        await this.#tryAgain([...due, ...(await this.#nowKnown(inForce))])
      } catch (error) {
        if (!signal.aborted) this.#fail(error)
      }
    }
  }

  /** Those of which an id has become known; each look asks for some of them. */
  async #nowKnown({ mapping }: RulesInForce): Promise<WaitingArrival[]> {
    const waiting = this.#parts.shelf.all().filter(one => one.needs.length > 0 && one.mapping === mapping)
    if (this.#lookedUpTo >= waiting.length) this.#lookedUpTo = 0
    const some = waiting.slice(this.#lookedUpTo, this.#lookedUpTo + looksMost)
    this.#lookedUpTo += looksMost
    const needs = some.flatMap(one => one.needs)
    const ours = needs.length === 0 ? [] : await this.#parts.identities.ours(needs)
    const known = new Set(needs.filter((_, index) => typeof ours[index] === 'string'))
    return some.filter(one => one.needs.some(need => known.has(need)))
  }

  async #tryAgain(waiting: readonly WaitingArrival[]): Promise<void> {
    const { shelf, arrivals } = this.#parts
    for (let from = 0; from < waiting.length && !this.#ending.signal.aborted; from += stepMost) {
      const part = waiting.slice(from, from + stepMost)
      await this.#alone(async () => {
        const inForce = this.#parts.rules.read()
        if (inForce === undefined) return
        const all: ToSettle[] = []
        for (const one of part) {
          await shelf.refresh(one.arrival_id)
          const now = shelf.get(one.arrival_id)
          if (now === undefined || now.discarded === true || now.fetch !== undefined) continue
          const arrival = await arrivals.read(now.sequence)
          if (arrival !== undefined) all.push({ arrival, isCorrection: now.mapping !== inForce.mapping })
        }
        if (all.length === 0) return
        const checkpoint = this.#next(inForce)
        const outcomes = await settle(this.#parts, all, inForce, checkpoint)
        this.#checkpoint = checkpoint
        for (const { state } of outcomes)
          this.#parts.telemetry.mapped(this.#parts.source.settings.name, state)
      })
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => undefined)
    return mine
  }
}
