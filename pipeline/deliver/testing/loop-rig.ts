// The loop of a connection for tests: a receiver that answers as the test says, a log and a shelf in memory that a restart
// keeps, and a clock that runs as fast as somebody waits for it.

import type { Delivery } from '../../../schemas/billing/delivery.js'
import { deliveryIdOf } from '../../../schemas/billing/delivery.js'
import type { Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../../../sinks/connector.js'
import type { RefusedRecord } from '../../../sinks/sink.js'
import type { ConnectionLimits } from '../connection-limits.js'
import { ConnectionLoop } from '../connection-loop.js'
import type { DeliveryTelemetry } from '../connection-options.js'
import type { StoredStep } from '../delivery-log.js'
import type { DeliveryAct, StoredRequest } from '../delivery-requests.js'
import { type SteeredGate, steeredGate } from './flow-gates.js'

export interface Answering {
  put(record: ConnectorRecord, nowMs: number): PutOutcome
  find(record: ConnectorRecord, nowMs: number): FindOutcome | Promise<FindOutcome>
}

export const accepted: PutOutcome = { kind: 'accepted', externalId: 'x' }
export const unclear: PutOutcome = { kind: 'unclear', code: 'no_answer', detail: 'HTTP 500: oops' }

export class LoopRig {
  readonly gate: SteeredGate = steeredGate()
  readonly steps: StoredStep[] = []
  readonly shelf = new Map<string, RefusedRecord>()
  readonly asked = new Map<string, StoredRequest>()
  /** The ids of what was put, in order, and when. */
  readonly sent: { readonly id: string; readonly atMs: number }[] = []
  readonly answering: Answering
  pageSize = 2
  settlesWithinMs = 0
  telemetry: DeliveryTelemetry | undefined
  nowMs = Date.UTC(2026, 10, 1)
  #stopping = new AbortController()
  #loop!: ConnectionLoop
  #attended: Promise<void> = Promise.resolve()
  #onAsked: () => void = () => undefined

  readonly #preview: Connector['preview']

  constructor(answering: Partial<Answering> = {}, preview?: Connector['preview']) {
    this.#preview = preview
    this.answering = { put: () => accepted, find: () => ({ kind: 'absent' }), ...answering }
  }

  start(limits: Partial<ConnectionLimits> = {}): void {
    this.#stopping = new AbortController()
    const connector: Connector = {
      pageSize: this.pageSize,
      attemptMs: 1_000,
      settlesWithinMs: this.settlesWithinMs,
      check: async () => ({ kind: 'ready' }),
      put: async records => {
        this.sent.push(...records.map(({ id }) => ({ id, atMs: this.nowMs })))
        return records.map(record => this.answering.put(record, this.nowMs))
      },
      find: async record => this.answering.find(record, this.nowMs),
      ...(this.#preview === undefined ? {} : { preview: this.#preview }),
    }
    const append = (step: Omit<StoredStep, 'step' | 'sequence'>): number =>
      this.steps.push({ ...structuredClone(step), step: '', sequence: this.steps.length + 1 })
    this.#loop = new ConnectionLoop({
      connection: 'c',
      connector,
      gate: this.gate,
      log: {
        open: async () => {
          const last = this.steps.at(-1)
          append({ taken_up_to: last?.taken_up_to ?? 0, replay_from: last?.replay_from ?? 0, changed: [] })
          return this.steps
        },
        append: async step => append(step),
      },
      exceptions: {
        list: async () => [...this.shelf.values()],
        setAside: async records => {
          for (const record of records) this.shelf.set(record.name, record)
        },
        markTaken: async () => true,
        takeBack: async ({ name }) => void this.shelf.delete(name),
      },
      requests: {
        list: async () => [...this.asked.values()],
        done: async ({ delivery_id }) => void this.asked.delete(delivery_id),
        watch: onChange => {
          this.#onAsked = onChange
          return () => undefined
        },
      },
      clock: {
        nowMs: () => this.nowMs,
        pause: async (ms, signal) => {
          await new Promise(resolve => setImmediate(resolve))
          if (!signal.aborted) this.nowMs += Math.max(0, ms)
        },
      },
      recordsOf: ({ bytes }) => ({ records: [JSON.parse(new TextDecoder().decode(bytes))] }),
      random: () => 1,
      ...(this.telemetry === undefined ? {} : { telemetry: this.telemetry }),
      limits,
    })
    const attendance = { stopping: this.#stopping.signal, aborting: new AbortController().signal }
    this.#attended = this.#loop.attend({ ...attendance, isPaused: () => false })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#attended
  }

  /** Takes these in as the next messages of the source. */
  async takeIn(...records: readonly ConnectorRecord[]): Promise<void> {
    const from = (this.steps.at(-1)?.taken_up_to ?? 0) + 1
    const messages = records.map((record, n) => ({
      sequence: from + n,
      natsSubject: 'postings.de',
      bytes: new TextEncoder().encode(JSON.stringify(record)),
      storedAtMs: 0,
    }))
    const range = { stream: 'POSTINGS', from, to: from + messages.length - 1, token: `${from}`, messages }
    await this.#loop.apply(range, new AbortController().signal)
  }

  /** As somebody asks over the API. */
  ask(act: DeliveryAct, id: string): void {
    const delivery_id = deliveryIdOf('c', { kind: 'journal', id })
    const request = { delivery_id, connection: 'c', act, reason: 'mended', by: 'ann', at: '', revision: 1 }
    this.asked.set(delivery_id, request)
    this.#onAsked()
  }

  /** As somebody says over the API what is at the receiver. */
  settle(id: string, found: { readonly there: string } | 'absent', attempt_count?: number): void {
    const delivery_id = deliveryIdOf('c', { kind: 'journal', id })
    const word =
      found === 'absent' ? { act: 'absent' as const } : { act: 'there' as const, external_id: found.there }
    const seen = { attempt_count: attempt_count ?? this.newest(id)!.attempt_count }
    const request = { delivery_id, connection: 'c', reason: 'looked', by: 'ann', at: '', revision: 1 }
    this.asked.set(delivery_id, { ...request, ...word, ...seen })
    this.#onAsked()
  }

  /** As somebody discards the exception of a refused record. */
  discard(id: string): void {
    const name = deliveryIdOf('c', { kind: 'journal', id })
    this.shelf.set(name, { ...this.shelf.get(name)!, discarded: true })
    this.ask('reread', id)
  }

  /** The newest state of each record that was taken in. */
  states(): Readonly<Record<string, Delivery['state']>> {
    return Object.fromEntries(
      this.steps.flatMap(({ changed }) => changed.map(one => [one.record.id, one.state])),
    )
  }

  newest(id: string): Delivery | undefined {
    return this.steps.flatMap(({ changed }) => changed).findLast(one => one.record.id === id)
  }

  backlog = () => this.#loop.backlog()

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise(resolve => setImmediate(resolve))
  }
}

export function journalRecord(id: string, more: Partial<ConnectorRecord> = {}): ConnectorRecord {
  const document = { charge_id: `ch_${id}`, customer_id: 'acme' }
  return { kind: 'journal', id, key: id, recordedAt: '2026-11-01T00:00:00Z', document, ...more }
}
