// Checks the VAT numbers of customers at VIES, and tells what it says as `weir.customer.status_changed`.
// Invariants:
// 1. An entry of a customer is claimed by a write on top of the revision that was read: of several processes one asks.
// 2. The status is published before the entry says that it was checked, so a crash in between asks once more.
// 3. What is no answer changes no status: it is asked again with growing pauses.

import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import { z } from 'zod'
import { customerToken, stableId } from '../../schemas/identifiers.js'
import { formatInstantMs } from '../../schemas/time.js'
import { pauseFor } from '../broker/back-off.js'
import { writeOver } from '../broker/wrong-revision.js'
import type { EventTaker } from '../gateway/event-taker.js'
import type { Caller } from '../gateway/scopes.js'
import type { ViesSettings } from './settings.js'
import { askVies } from './vies.js'

export interface VatNumber {
  readonly customer_id: string
  readonly number: string
}

export interface ViesCheckerOptions {
  readonly settings: ViesSettings
  /** The bucket `weir_gates`. */
  readonly kv: KV
  /** The customers that have a number now. */
  readonly numbers: () => Promise<readonly VatNumber[]>
  readonly events: Pick<EventTaker, 'take'>
  readonly nowMs: () => number
  readonly log: Logger
}

const entrySchema = z.object({ number: z.string(), next_ms: z.number(), failures: z.int() })

const everyMs = 10_000
/** While a process asks, no other does. */
const claimMs = 60_000
const firstPauseMs = 60_000
const longestPauseMs = 6 * 3_600_000
const dayMs = 86_400_000
const caller: Caller = { keyId: undefined, scopes: new Set(['ingest:lifecycle']) }

export class ViesChecker {
  readonly #options: ViesCheckerOptions
  readonly #ending = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: ViesCheckerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async drain(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  /** Asks about every number that is due, one after the other; VIES refuses those who ask at once. */
  async checkDue(): Promise<void> {
    for (const one of await this.#options.numbers()) {
      if (this.#ending.signal.aborted) return
      await this.#check(one)
    }
  }

  async #check({ customer_id, number }: VatNumber): Promise<void> {
    const { kv, settings, events, nowMs, log } = this.#options
    const key = `vies.${customerToken(customer_id)}`
    const entry = await kv.get(key)
    const before = entry !== null && entry.operation === 'PUT' ? entrySchema.parse(entry.json()) : undefined
    const now = nowMs()
    const isDue = before === undefined || before.number !== number || before.next_ms <= now
    if (!isDue) return
    const failures = before?.number === number ? before.failures : 0
    const write = (next_ms: number, failed: number, revision: number) =>
      writeOver(kv, key, JSON.stringify({ number, next_ms, failures: failed }), revision)
    if (!(await write(now + claimMs, failures, entry?.revision ?? 0))) return // invariant 1
    const claimed = (await kv.get(key))?.revision ?? 0
    const answer = await askVies(settings, number, this.#ending.signal)
    if (answer.kind === 'unavailable') {
      log.info({ customer: customer_id, code: answer.code }, 'VIES gave no answer; it is asked again')
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 12))
      await write(now + pauseMs, failures + 1, claimed) // invariant 3
      return
    }
    const { status, reference } = answer
    const event = {
      specversion: '1.0',
      source: 'weir:vies',
      id: stableId('vat', customer_id, number, now),
      type: 'weir.customer.status_changed',
      subject: customer_id,
      time: formatInstantMs(now),
      data: { customer_id, gate: 'vat', status, reference, reason: `VIES about ${number}` },
    }
    const { rejected } = await events.take([event], caller)
    if (rejected.length > 0) throw new Error(`${rejected[0]!.code}: ${rejected[0]!.detail}`)
    await write(now + settings.again_days * dayMs, 0, claimed) // invariant 2
  }

  async #run(): Promise<void> {
    const { log } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      try {
        await this.checkDue()
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'VAT numbers could not be checked; it is tried again')
      }
      await pauseFor(everyMs, signal)
    }
  }
}
