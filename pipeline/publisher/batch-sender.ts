// Sends usage batches until they have landed, several at once, each with its own back-off, and reports the
// outcome of every event.
// Invariants: a batch in the spool is removed only after it has landed, and set aside when it never can land;
// `deliver` never rejects because of an answer or failure of the other side.

import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { Settle } from './gathering.js'
import type { PublisherLimits } from './publisher-limits.js'
import { Slots } from './slots.js'
import type { Spool, SpooledBatch } from './spool.js'
import type { BatchBody, Refusal, RefusedRow, SendOutcome, Transport } from './transport.js'

export interface BatchSenderOptions {
  readonly transport: Transport
  readonly limits: PublisherLimits
  readonly onRefused?: (row: RefusedRow) => void
  readonly onTrouble?: (detail: string | undefined) => void
  /** In [0, 1). */
  readonly random: () => number
}

export interface Delivery {
  /** Absent: the body is read from the spool when the batch is about to be sent. */
  readonly body?: BatchBody
  readonly spooled: SpooledBatch | undefined
  readonly spool: Spool | undefined
  /** One callback per event; empty when nobody waits for the outcome. */
  readonly settle: readonly Settle[]
}

type Found =
  | { readonly kind: 'body'; readonly body: BatchBody }
  /** Another process has sent the batch. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'damaged'; readonly detail: string }
  /** The batch stays in the spool. */
  | { readonly kind: 'left' }

type Settled = Exclude<SendOutcome, { kind: 'again' }>

export class BatchSender {
  readonly #options: BatchSenderOptions
  readonly #slots: Slots
  readonly #abort = new AbortController()
  readonly #counts = { landed: 0, refused: 0, unsent: 0, batches: 0, sentBytes: 0, retries: 0 }
  #trouble: string | undefined

  constructor(options: BatchSenderOptions) {
    this.#options = options
    this.#slots = new Slots(options.limits.maxInFlight)
  }

  get counts() {
    return { ...this.#counts }
  }

  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Whether a new batch would have to wait now. */
  get busy(): boolean {
    return this.#slots.free === 0
  }

  abort(): void {
    this.#abort.abort()
  }

  inTrouble(detail: string | undefined): void {
    if (this.#trouble === detail) return
    this.#trouble = detail
    this.#options.onTrouble?.(detail)
  }

  async deliver(delivery: Delivery): Promise<void> {
    await this.#slots.enter()
    try {
      const found = await this.#find(delivery)
      switch (found.kind) {
        case 'body':
          return await this.#send(delivery, found.body)
        case 'gone':
          return this.#finish(delivery, 0, [])
        case 'damaged':
          return this.#giveUp(delivery, found.detail)
        case 'left':
          return this.#giveUp(delivery, undefined)
        default:
          found satisfies never
      }
    } finally {
      this.#slots.leave()
    }
  }

  async #send(delivery: Delivery, body: BatchBody): Promise<void> {
    const outcome = await this.#untilSettled(body)
    if (outcome === undefined) this.#giveUp(delivery, undefined)
    else if (outcome.kind === 'refused') await this.#refuse(delivery, body.count, outcome.refusal)
    else await this.#landed(delivery, body, outcome.refused)
  }

  async #find({ body, spooled, spool }: Delivery): Promise<Found> {
    if (this.#abort.signal.aborted) return { kind: 'left' }
    if (body !== undefined) return { kind: 'body', body }
    if (spooled === undefined || spool === undefined) throw new Error('a batch that is nowhere')
    try {
      const read = await spool.read(spooled)
      if (read.kind === 'gone') await spool.remove(spooled)
      if (read.kind === 'damaged') {
        await spool.setAside(spooled, 'damaged')
        this.inTrouble(read.detail)
      }
      if (read.kind !== 'ok') return read
      if (this.#options.transport.knowsLane(read.body.lane)) return { kind: 'body', body: read.body }
      this.inTrouble(
        `${spooled.name} was spooled for ${read.body.lane || 'the gateway'} and cannot go elsewhere`,
      )
    } catch (error) {
      this.inTrouble(`the spool cannot be read: ${String(error)}`)
    }
    return { kind: 'left' }
  }

  /** Undefined: the sender was aborted. */
  async #untilSettled(body: BatchBody): Promise<Settled | undefined> {
    const { transport, limits } = this.#options
    const { signal } = this.#abort
    for (let failures = 0; !signal.aborted; ) {
      const outcome = await orAborted(transport.send(body, signal), signal)
      if (outcome === undefined) return undefined
      if (outcome.kind !== 'again') {
        this.inTrouble(undefined)
        return outcome
      }
      if (signal.aborted) return undefined
      failures += 1
      this.#counts.retries += 1
      this.inTrouble(outcome.detail)
      const pauseMs = backOffMs(failures, limits, this.#options.random())
      await pauseFor(Math.max(pauseMs, outcome.afterMs ?? 0), signal)
    }
    return undefined
  }

  async #landed(delivery: Delivery, body: BatchBody, refused: readonly RefusedRow[]): Promise<void> {
    this.#counts.batches += 1
    this.#counts.sentBytes += body.bytes.length
    for (const row of refused) this.#options.onRefused?.(row)
    this.#finish(delivery, body.count, refused)
    await this.#leaveSpool(delivery, spool => spool.remove(delivery.spooled!))
  }

  #finish({ settle }: Delivery, count: number, refused: readonly RefusedRow[]): void {
    this.#counts.landed += count - refused.length
    this.#counts.refused += refused.length
    const refusals = new Map(refused.map(row => [row.index, row]))
    settle.forEach((one, index) => {
      const refusal = refusals.get(index)
      one(refusal === undefined ? { kind: 'landed' } : { kind: 'refused', refusal })
    })
  }

  async #refuse(delivery: Delivery, count: number, refusal: Refusal): Promise<void> {
    this.#counts.refused += count
    this.#options.onRefused?.({ ...refusal, index: -1, id: null })
    for (const one of delivery.settle) one({ kind: 'refused', refusal })
    await this.#leaveSpool(delivery, spool => spool.setAside(delivery.spooled!, 'refused'))
  }

  /** `damaged`: why the batch cannot be read from the spool either. */
  #giveUp({ settle, spooled }: Delivery, damaged: string | undefined): void {
    const isKept = spooled !== undefined && damaged === undefined
    if (!isKept) this.#counts.unsent += settle.length
    const detail = damaged ?? 'The publisher was closed before it had landed.'
    for (const one of settle) one(isKept ? { kind: 'spooled' } : { kind: 'unsent', detail })
  }

  /** A file that cannot be removed is sent again at the next start; Weir recognises the duplicates. */
  async #leaveSpool({ spool, spooled }: Delivery, leave: (spool: Spool) => Promise<void>): Promise<void> {
    if (spool === undefined || spooled === undefined) return
    await leave(spool).catch(error => this.inTrouble(`the spool cannot be tidied: ${String(error)}`))
  }
}

/** The result of `work`; undefined as soon as the signal aborts. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined
  let onAbort = () => {}
  const aborted = new Promise<undefined>(resolve => {
    onAbort = () => resolve(undefined)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
