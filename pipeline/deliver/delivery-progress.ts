// The progress of one feed in this process: state, totals, trouble, and the callers that wait for a change.

import type { FeedRange, SinkTrouble } from '../../sinks/sink.js'
import { pauseFor } from '../broker/back-off.js'
import type { DelivererOptions } from './deliverer-options.js'
import type { DeliveryRecord } from './delivery-record.js'
import type { DeliveryState, DeliveryStatus, DeliveryTrouble } from './delivery-status.js'

/** What the deliverer knows while it owns its feed and reads it. */
export interface Reading {
  readonly record: DeliveryRecord | undefined
  readonly behind: number | null | undefined
  readonly oldestStoredAtMs: number | undefined
}

export class DeliveryProgress {
  state: DeliveryState = 'stopped'
  /** The last stream sequence that the sink took in this process. */
  applied = 0
  applyingSinceMs: number | undefined
  /** When the oldest message of the range in hand was stored. */
  applyingStoredAtMs: number | undefined
  /** Messages of a range that the flow gate holds. */
  heldMessages = 0
  /** Records set aside. */
  refused = 0
  #trouble: DeliveryTrouble | undefined
  #totals = { ranges: 0, messages: 0, bytes: 0, rows: 0 }
  #lastAppliedAtMs = 0
  readonly #options: DelivererOptions
  readonly #retryMaxMs: number
  readonly #reading: () => Reading
  readonly #waiters = new Set<() => void>()

  constructor(options: DelivererOptions, retryMaxMs: number, reading: () => Reading) {
    this.#options = options
    this.#retryMaxMs = retryMaxMs
    this.#reading = reading
  }

  status(): DeliveryStatus {
    const { key, sink, stream } = this.#options
    const { record, behind, oldestStoredAtMs } = this.#reading()
    const open = sink.backlog?.()
    const beside = this.state === 'running' ? sink.trouble?.() : undefined
    const trouble = beside ?? (this.#isTroubled() ? this.#trouble : undefined)
    return {
      key,
      sink: sink.name,
      stream,
      state: this.#shown(beside),
      position: Math.max(this.applied, record?.position ?? 0),
      ...holdOf(this.#options),
      behind: behind == null ? null : behind + this.heldMessages,
      oldestWaitingAtMs: this.applyingStoredAtMs ?? oldestStoredAtMs,
      ...(open === undefined ? {} : { open }),
      ...this.#totals,
      refused: this.refused,
      lastAppliedAtMs: this.#lastAppliedAtMs,
      // A sink with `attend` may leave messages in the stream for long when its receiver is slow.
      ...(this.applyingSinceMs === undefined || sink.attend !== undefined
        ? {}
        : { applyingSinceMs: this.applyingSinceMs }),
      ...(trouble === undefined ? {} : { trouble }),
    }
  }

  /** What is idle and held is paused, although no range has met the gate yet. */
  #shown(beside: SinkTrouble | undefined): DeliveryState {
    if (this.state !== 'running') return this.state
    if (this.#options.gate.hold() !== undefined && this.applyingSinceMs === undefined) return 'paused'
    return beside === undefined ? 'running' : beside.isStopped ? 'blocked' : 'retrying'
  }

  /** Sets the state. With a code also the trouble; without one, the trouble stays as it was. */
  set(state: DeliveryState, code?: string, detail = '', attempts = 0): void {
    this.state = state
    if (code !== undefined) this.#trouble = { code, detail, attempts, atMs: Date.now() }
    for (const waiter of [...this.#waiters]) waiter()
    this.#options.onChange?.(this.status())
  }

  /** Sets the state `running` and ends the trouble. */
  run(): void {
    this.#trouble = undefined
    this.set('running')
  }

  noteApplied({ to, messages }: FeedRange, rows: number, applySeconds: number): void {
    this.applied = to
    this.#totals = {
      ranges: this.#totals.ranges + 1,
      messages: this.#totals.messages + messages.length,
      bytes: this.#totals.bytes + messages.reduce((sum, message) => sum + message.bytes.byteLength, 0),
      rows: this.#totals.rows + rows,
    }
    this.#lastAppliedAtMs = Date.now()
    this.applyingSinceMs = undefined
    this.applyingStoredAtMs = undefined
    const { storedAtMs = this.#lastAppliedAtMs } = messages[0] ?? {}
    const ageSeconds = Math.max(0, this.#lastAppliedAtMs - storedAtMs) / 1_000
    this.#options.onApplied?.({ key: this.#options.key, ageSeconds, applySeconds })
    this.run()
  }

  /** Resolves at the next change of state, after `mostMs`, or when the signal fires. */
  async changed(signal: AbortSignal, mostMs: number): Promise<void> {
    const woken = new AbortController()
    const wake = (): void => woken.abort()
    this.#waiters.add(wake)
    await pauseFor(mostMs, AbortSignal.any([signal, woken.signal]))
    this.#waiters.delete(wake)
  }

  /** An interrupted reading goes on by itself; the status shows it for a while after the last one. */
  #isTroubled(): boolean {
    if (this.#trouble === undefined) return false
    const passes = this.state === 'running' && this.#trouble.code === 'feed_interrupted'
    return !passes || Date.now() - this.#trouble.atMs < 2 * this.#retryMaxMs
  }
}

function holdOf({ gate }: DelivererOptions): Pick<DeliveryStatus, 'hold'> {
  const hold = gate.hold()
  return hold === undefined ? {} : { hold }
}
