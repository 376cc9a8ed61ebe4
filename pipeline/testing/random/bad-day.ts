// Drives a core through groups of events as the engine would under faults: late, repeated and stale answers
// from history, restarts from snapshot and deltas, also between the parts of a billing run. The same seed gives the same run.

import { Buffer } from 'node:buffer'
import { type Charge, type ChargeWire, chargeToWire } from '../../../schemas/billing/charge.js'
import type { DiscountWire } from '../../../schemas/billing/discount.js'
import type { MadeUpForWire } from '../../../schemas/billing/made-up-for.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import type { ChargeRow } from '../../../schemas/tables.js'
import { earlier } from '../../../schemas/time.js'
import type { BillingRunOrder, HistoryAnswer, PartitionCore } from '../../core/core.js'
import { Dice } from './dice.js'
import { type Driven, newCore, nothing, Seen } from './drive.js'

const dayNs = 86_400_000_000_000n

export interface BadDay extends Driven {
  readonly runs: readonly Run[]
  readonly answers: number
}

/** A billing run, how many groups of events were taken before it, and what it sealed. */
export interface Run {
  readonly order: BillingRunOrder
  readonly batches: number
  readonly lines: readonly ChargeWire[]
}

/** Ways to break a core on purpose; a check must notice each. */
export interface Breakage {
  /** Loses a row of each answer from history. */
  readonly losesHistory?: boolean
  /** Forgets what changed since the snapshot when it restarts. */
  readonly losesDeltas?: boolean
}

export interface BadDayInput {
  readonly catalog: Catalog
  readonly batches: readonly (readonly unknown[])[]
  readonly seed: number
  readonly arrivalMs: number
  readonly endNs: bigint
  readonly breakage?: Breakage
}

/**
 * After each call of the core that leaves no customer held, `calm` gets the number of groups taken so far.
 * It is not called after the last billing run.
 */
export function badDay(input: BadDayInput, calm: (driven: Driven, batches: number) => void): BadDay {
  const { catalog, batches, arrivalMs: nowMs, endNs, breakage = {} } = input
  const dice = new Dice(input.seed ^ 0x5eed)
  const runs: Run[] = []
  let sealed: ChargeRow[] = []
  const seen = new Seen()
  const tap = { ...seen.tap(), charge: (row: ChargeRow) => sealed.push(row), only: dice.chance(0.95) }
  let core = newCore(catalog, tap)
  const storage = new Storage(core)
  let stale: HistoryAnswer[] = []
  let answers = 0
  let taken = 0
  for (let commit = 1; taken < batches.length || core.holdsCustomers(); commit += 1) {
    const messages = inMessages(dice, batches[taken] ?? [], nowMs)
    taken = Math.min(batches.length, taken + 1)
    const asked = core.openHistoryRequests()
    const isAnswered = taken === batches.length || dice.chance(0.3)
    const fresh = isAnswered ? asked.map(request => seen.history.answer(request)) : []
    answers += fresh.length
    const history = [...stale, ...fresh].map(answer =>
      breakage.losesHistory === true ? { ...answer, rows: answer.rows.slice(1) } : answer,
    )
    const way = dice.chance(0.5) ? { lifecycle: messages } : { metering: messages }
    const output = core.process({ ...nothing, nowMs, commit, ...way, history })
    storage.committed(output.delta)
    // An answer that comes again, or that answers a replaced request, must be harmless.
    stale = dice.chance(0.2) ? asked.map(request => ({ requestId: request.requestId, rows: [] })) : []
    stale = stale.filter(one => !output.historyRequests.some(open => open.requestId === one.requestId))
    for (const order of randomOrders(dice, core, runs, endNs)) {
      for (let goesOn = true; goesOn; ) {
        const output = core.process({ ...nothing, nowMs, commit, orders: [order] })
        storage.committed(output.delta)
        goesOn = output.goesOn
        if (goesOn && dice.chance(0.2)) core = storage.restore(tap, breakage)
      }
      runs.push({ order, batches: taken, lines: sealed.map(wireOf) })
      sealed = []
    }
    if (dice.chance(0.1)) storage.snapshot(core)
    if (dice.chance(0.15)) core = storage.restore(tap, breakage)
    if (!core.holdsCustomers()) calm({ core, seen }, taken)
  }
  const last = { billingRunId: 'last', cutoffNs: endNs }
  while (core.process({ ...nothing, nowMs, commit: 1_000_000, orders: [last] }).goesOn);
  runs.push({ order: last, batches: taken, lines: sealed.map(wireOf) })
  return { core, seen, runs, answers }
}

/** Restarts from what was stored: the newest snapshot and the deltas after it. */
class Storage {
  #snapshot: Uint8Array
  #deltas: Uint8Array[] = []

  constructor(core: PartitionCore) {
    this.#snapshot = core.snapshot()
  }

  committed(delta: Uint8Array): void {
    this.#deltas.push(delta)
  }

  snapshot(core: PartitionCore): void {
    this.#snapshot = core.snapshot()
    this.#deltas = []
  }

  restore(tap: Parameters<typeof newCore>[1], breakage: Breakage): PartitionCore {
    return newCore(undefined, tap, this.#snapshot, breakage.losesDeltas === true ? [] : this.#deltas)
  }
}

/** Splits one group of events into a few messages. */
function inMessages(dice: Dice, batch: readonly unknown[], arrivedAtMs: number) {
  const messages: { seq: number; arrivedAtMs: number; bytes: Uint8Array }[] = []
  for (let at = 0; at < batch.length; ) {
    const size = 1 + dice.below(batch.length)
    const bytes = Buffer.from(stringifyJson(batch.slice(at, at + size)))
    messages.push({ seq: messages.length, arrivedAtMs, bytes })
    at += size
  }
  return messages
}

/**
 * Now and then hands in one billing run, or two, but none while customers are held, as the engine does. The
 * cutoff is before, equal to or after that of the previous run, within a period or at its beginning; the run
 * covers all entities or one.
 */
function randomOrders(
  dice: Dice,
  core: PartitionCore,
  runs: readonly Run[],
  endNs: bigint,
): BillingRunOrder[] {
  if (core.holdsCustomers() || !dice.chance(0.3)) return []
  return Array.from({ length: dice.chance(0.2) ? 2 : 1 }, (_, n) => ({
    billingRunId: `run_${runs.length + n}`,
    cutoffNs: randomCutoff(dice, core, runs, endNs),
    ...(dice.chance(0.8) ? {} : { entityId: dice.pick(['de', 'us', 'nobody']) }),
    ...(dice.chance(0.9) ? {} : { preview: true }),
  }))
}

function randomCutoff(dice: Dice, core: PartitionCore, runs: readonly Run[], endNs: bigint): bigint {
  const anyDayNs = endNs - BigInt(dice.below(120)) * dayNs
  const last = runs.at(-1)?.order.cutoffNs
  if (last !== undefined && dice.chance(0.2)) return last
  const charges = core.charges(endNs)
  if (charges.length === 0 || dice.chance(0.3)) return anyDayNs
  const { fromNs, untilNs } = dice.pick(charges)
  return earlier(endNs, dice.chance(0.5) ? fromNs : untilNs)
}

function wireOf(row: ChargeRow): ChargeWire {
  const { periodFromNs: fromNs, periodUntilNs: untilNs, corrects, discounts, makesUpFor, ...rest } = row
  const wire = chargeToWire({ ...rest, fromNs, untilNs, ...(corrects === '' ? {} : { corrects }) } as Charge)
  return {
    ...wire,
    ...(discounts === '' ? {} : { discounts: JSON.parse(discounts) as DiscountWire[] }),
    ...(makesUpFor === '' ? {} : { makes_up_for: JSON.parse(makesUpFor) as MadeUpForWire }),
  }
}
