// Listens to a source that is asked for its events, such as by a stream of gRPC: keeps what comes as arrivals, and the place
// up to which it has kept them.
// Invariants:
// 1. The place moves after every arrival before it is on disk: after a crash it goes on without a gap, and what comes again
//    is a duplicate.
// 2. One process listens (listen-lease.ts); the others stand by.
// 3. While Weir is read-only or frozen, or no more may be kept, it does not listen: the source keeps what happens meanwhile.

import { randomUUID } from 'node:crypto'
import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { FlowGate } from '../deliver/flow-gate.js'
import type { ArrivalLog } from './arrival-log.js'
import { ListenLease, ListensElsewhere } from './listen-lease.js'
import { type ArrivalDraft, type SourceReach, SourceTrouble } from './source-kind.js'
import type { ListenStatus } from './source-status.js'
import type { SourceTelemetry } from './telemetry.js'

export interface ListenerParts {
  readonly source: string
  readonly reach: Pick<SourceReach, 'listen'>
  /** The bucket `weir_arrivals`. */
  readonly kv: KV
  readonly arrivals: Pick<ArrivalLog, 'keep'>
  readonly flow: Pick<FlowGate, 'summary'>
  readonly isFull: () => boolean
  readonly telemetry: Pick<SourceTelemetry, 'kept' | 'listenFailed'>
  readonly log: Logger
  readonly nowMs: () => number
  readonly leaseMs?: number
  readonly retryMinMs?: number
}

const leaseMs = 10_000
const holdLookMs = 250
const keptAtOnce = 64
const retryMinMs = 500
const retryMaxMs = 60_000

export class SourceListener {
  readonly #parts: ListenerParts
  readonly #owner = randomUUID()
  readonly #ending = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #status: ListenStatus = { state: 'standby', heardAtMs: undefined, trouble: undefined }
  #failures = 0
  /** What of the source cannot be listened to in this session. */
  #partly: ListenStatus['trouble']

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Keeps what it has in hand, and leaves the source to another process. */
  async drain(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  status(): ListenStatus {
    return this.#status
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    while (!signal.aborted) {
      const hold = this.#hold()
      if (hold !== undefined) {
        this.#tell({ state: 'held', trouble: hold })
        await pauseFor(holdLookMs, signal)
        continue
      }
      try {
        await this.#session(signal)
      } catch (error) {
        if (!signal.aborted) await this.#failed(error)
      }
    }
  }

  #hold(): ListenStatus['trouble'] {
    const { mode } = this.#parts.flow.summary()
    if (mode !== 'normal')
      return {
        code: 'source_unavailable',
        detail: `Weir is ${mode.replace('_', '-')}; nothing is listened to.`,
      }
    return this.#parts.isFull()
      ? { code: 'arrivals_full', detail: 'No more is kept until room is made.' }
      : undefined
  }

  /** From a claim to its end: a hold, a failure, another process, or the end of all. */
  async #session(signal: AbortSignal): Promise<void> {
    const { source, kv, reach } = this.#parts
    const lasts = this.#parts.leaseMs ?? leaseMs
    if (this.#status.state !== 'trouble') this.#tell({ state: 'standby' })
    const lease = await ListenLease.claim(kv, { source, owner: this.#owner, leaseMs: lasts }, signal)
    if (lease === undefined) return
    const over = new AbortController()
    const session = AbortSignal.any([signal, over.signal])
    this.#partly = undefined
    const watching = this.#watch(lease, lasts, over, session)
    try {
      this.#tell({ state: 'listening', trouble: this.#status.trouble })
      await reach.listen?.(
        lease.position,
        (arrivals, position) => this.#keep(lease, arrivals, position),
        session,
        trouble => this.#partlyFailed(trouble),
      )
      if (!session.aborted) throw new SourceTrouble('source_disconnected', 'The source has ended the stream.')
    } catch (error) {
      if (!(session.aborted && isAbort(error))) throw error
    } finally {
      over.abort()
      await watching
      await lease.release().catch(() => undefined) // it is another's, or the lease runs out
    }
  }

  /** Renews the lease, and ends the session when it must not go on. */
  async #watch(
    lease: ListenLease,
    lasts: number,
    over: AbortController,
    session: AbortSignal,
  ): Promise<void> {
    let renewedAtMs = performance.now()
    while (!session.aborted) {
      await pauseFor(holdLookMs, session)
      if (session.aborted) return
      if (this.#hold() !== undefined) over.abort()
      if (performance.now() - renewedAtMs < lasts / 3) continue
      renewedAtMs = performance.now()
      await lease.renew().catch((error: unknown) => {
        if (error instanceof ListensElsewhere) over.abort()
      })
    }
  }

  async #keep(lease: ListenLease, drafts: readonly ArrivalDraft[], position: unknown): Promise<void> {
    const { arrivals, source, telemetry, nowMs } = this.#parts
    let duplicates = 0
    for (let from = 0; from < drafts.length; from += keptAtOnce) {
      const part = drafts.slice(from, from + keptAtOnce)
      const kept = await Promise.all(part.map(draft => arrivals.keep(source, draft, 'listen')))
      for (const one of kept) {
        if (one.kind === 'failed') throw new SourceTrouble('broker_unavailable', one.detail)
        if (one.kind === 'duplicate') duplicates += 1
      }
    }
    await lease.keep(position) // invariant 1
    telemetry.kept(source, drafts.length - duplicates, duplicates)
    this.#failures = 0
    this.#tell({ state: 'listening', heardAtMs: nowMs() })
  }

  async #failed(error: unknown): Promise<void> {
    const { source, log, telemetry } = this.#parts
    if (error instanceof ListensElsewhere) return
    this.#failures += 1
    const trouble = error instanceof SourceTrouble ? error : undefined
    const code = trouble?.code ?? 'listen_failed'
    const detail = error instanceof Error ? error.message : String(error)
    telemetry.listenFailed(source, code)
    this.#tell({ state: 'trouble', trouble: { code, detail } })
    log.warn({ source, code, detail }, 'a source could not be listened to; it is tried again')
    const pauses = { retryMinMs: this.#parts.retryMinMs ?? retryMinMs, retryMaxMs }
    const pauseMs = trouble?.retryAfterMs ?? backOffMs(this.#failures, pauses, Math.random())
    await pauseFor(pauseMs, this.#ending.signal)
  }

  /** The rest goes on. */
  #partlyFailed(trouble: SourceTrouble | undefined): void {
    const { source, log, telemetry } = this.#parts
    this.#partly = trouble === undefined ? undefined : { code: trouble.code, detail: trouble.message }
    this.#tell({ state: 'listening' })
    if (this.#partly === undefined) return
    telemetry.listenFailed(source, this.#partly.code)
    log.warn({ source, ...this.#partly }, 'a part of a source cannot be listened to; the rest is')
  }

  #tell(change: { readonly [Name in keyof ListenStatus]?: ListenStatus[Name] }): void {
    const trouble = change.state === 'listening' ? this.#partly : undefined
    this.#status = { ...this.#status, trouble, ...change } as ListenStatus
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error instanceof SourceTrouble)
}
