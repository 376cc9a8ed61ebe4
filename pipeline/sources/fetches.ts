// Reads the objects that arrivals only name: each becomes an arrival of its own, and the one that named it is superseded.
// It works beside the mapper, so that a slow source holds no other arrival up.
// Invariant: the object is on disk as an arrival before the one that named it is superseded.

import type { Logger } from 'pino'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { ArrivalLog } from './arrival-log.js'
import type { SourceMapper } from './mapper.js'
import { fetchPending, outcomeRow, record, type SettleParts, unshelve } from './settle.js'
import { type Fetched, type FetchWhat, type SourceReach, SourceTrouble } from './source-kind.js'
import type { WaitingArrival } from './waiting-shelf.js'

export interface FetchParts extends Pick<SettleParts, 'source' | 'outcomes' | 'shelf' | 'nowMs'> {
  readonly mapper: SourceMapper
  readonly reach: SourceReach
  readonly arrivals: ArrivalLog
  readonly log: Logger
  /** How often it is looked for what is to be read. Default 250 ms. */
  readonly everyMs?: number | undefined
}

const atOnce = 4
const everyMs = 250
const fetchMs = 30_000
const pauses = { retryMinMs: 1_000, retryMaxMs: 300_000 }

interface Tried {
  failures: number
  nextMs: number
}

export class Fetches {
  readonly #parts: FetchParts
  readonly #ending = new AbortController()
  readonly #tried = new Map<string, Tried>()
  readonly #underWay = new Set<string>()
  #running: Promise<void> = Promise.resolve()

  constructor(parts: FetchParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.#run()
  }

  async drain(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    const working = new Set<Promise<void>>()
    while (!signal.aborted) {
      for (const one of this.#due()) {
        if (working.size >= atOnce) break
        this.#underWay.add(one.arrival_id)
        const work = this.#fetch(one).finally(() => {
          this.#underWay.delete(one.arrival_id)
          working.delete(work)
        })
        working.add(work)
      }
      await pauseFor(this.#parts.everyMs ?? everyMs, signal)
    }
    await Promise.all(working)
  }

  #due(): WaitingArrival[] {
    const nowMs = this.#parts.nowMs()
    return this.#parts.shelf
      .all()
      .filter(
        one =>
          one.fetch !== undefined &&
          one.discarded !== true &&
          !this.#underWay.has(one.arrival_id) &&
          (this.#tried.get(one.arrival_id)?.nextMs ?? 0) <= nowMs,
      )
  }

  async #fetch(waiting: WaitingArrival): Promise<void> {
    const { arrivals, source, log } = this.#parts
    try {
      const fetched = await this.#ask(waiting.fetch!)
      if (fetched.kind === 'found') {
        const kept = await arrivals.keep(source.settings.name, fetched.arrival, 'fetch')
        if (kept.kind === 'failed') throw new SourceTrouble('broker_unavailable', kept.detail)
      }
      await this.#settle(waiting, fetched)
      this.#tried.delete(waiting.arrival_id)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      const failures = (this.#tried.get(waiting.arrival_id)?.failures ?? 0) + 1
      const trouble = error instanceof SourceTrouble ? error : undefined
      const pauseMs = trouble?.retryAfterMs ?? backOffMs(failures, pauses)
      this.#tried.set(waiting.arrival_id, { failures, nextMs: this.#parts.nowMs() + pauseMs })
      const detail = error instanceof Error ? error.message : String(error)
      log.warn(
        { source: source.settings.name, arrival: waiting.arrival_id, detail },
        'an object could not be read',
      )
      await this.#tell(waiting, trouble?.code ?? 'fetch_failed', detail).catch(() => undefined) // it is tried again anyway
    }
  }

  async #ask(what: FetchWhat): Promise<Fetched> {
    const { reach } = this.#parts
    if (reach.fetch === undefined)
      throw new SourceTrouble('fetch_not_possible', 'This kind of source is never asked.')
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), fetchMs)
    try {
      return await reach.fetch(what, AbortSignal.any([this.#ending.signal, late.signal]))
    } finally {
      clearTimeout(timer)
    }
  }

  /** The arrival that named the object has an outcome now. */
  async #settle(waiting: WaitingArrival, fetched: Fetched): Promise<void> {
    const { mapper, arrivals } = this.#parts
    const arrival = await arrivals.read(waiting.sequence)
    if (arrival === undefined) return
    await mapper.alone(async checkpoint => {
      const row = outcomeRow(arrival, { kind: 'ignored', reason: 'object_gone' })
      const outcome =
        fetched.kind === 'gone'
          ? { ...row, detail: fetched.detail }
          : { ...row, state: 'superseded' as const, code: 'fetched', superseded_by: fetched.arrival.id }
      await record(this.#parts, checkpoint, [outcome])
      await unshelve(this.#parts, [outcome])
      return checkpoint
    })
  }

  /** Tells once why it still waits. */
  async #tell(waiting: WaitingArrival, code: string, detail: string): Promise<void> {
    const { mapper, arrivals, shelf } = this.#parts
    if (waiting.code === code || waiting.code !== fetchPending) return
    const arrival = await arrivals.read(waiting.sequence)
    if (arrival === undefined) return
    await mapper.alone(async checkpoint => {
      await shelf.put({ ...waiting, code, detail })
      const fault = { code, detail, pointer: '' }
      await record(this.#parts, checkpoint, [
        outcomeRow(arrival, { kind: 'waits', faults: [fault], needs: [] }),
      ])
      return checkpoint
    })
  }
}
