// Drives a core through batches of events as the engine would on a bad day: late, repeated and stale answers from
// history, restarts from snapshot and deltas, billing runs in between. The same seed, the same run.

import { Buffer } from 'node:buffer'
import type { Catalog } from '../../../schemas/catalog.js'
import { stringifyJson } from '../../../schemas/json-text.js'
import type { ChargeRow } from '../../../schemas/tables.js'
import type { BillingRunOrder, HistoryAnswer, PartitionCore } from '../../partition/core.js'
import { Dice } from './dice.js'
import { type Driven, newCore, nothing, Seen } from './drive.js'

const dayNs = 86_400_000_000_000n

export interface BadDay extends Driven {
  /** Sealed lines, of all runs. */
  readonly sealed: readonly ChargeRow[]
  readonly answers: number
}

/** Ways to break a core on purpose, which a check must notice. */
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

/** `calm` is called with the number of batches taken whenever nobody is held. The last billing run is not among it. */
export function badDay(input: BadDayInput, calm: (driven: Driven, batches: number) => void): BadDay {
  const { catalog, batches, arrivalMs: nowMs, endNs, breakage = {} } = input
  const dice = new Dice(input.seed ^ 0x5eed)
  const sealed: ChargeRow[] = []
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
    // An answer that comes once more, or to a request that was replaced, must be harmless.
    stale = dice.chance(0.2) ? asked.map(request => ({ requestId: request.requestId, rows: [] })) : []
    stale = stale.filter(one => !output.historyRequests.some(open => open.requestId === one.requestId))
    const orders = randomOrders(dice, core, commit, endNs)
    if (orders.length > 0) storage.committed(core.process({ ...nothing, nowMs, commit, orders }).delta)
    if (dice.chance(0.1)) storage.snapshot(core)
    if (dice.chance(0.15)) core = storage.restore(tap, breakage)
    if (!core.holdsCustomers()) calm({ core, seen }, taken)
  }
  const last = { billingRunId: 'last', cutoffNs: endNs }
  core.process({ ...nothing, nowMs, commit: 1_000_000, orders: [last] })
  return { core, seen, sealed, answers }
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

/** One batch as a few messages. */
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

/** A billing run now and then, with any cutoff; the engine hands none in while customers are held. */
function randomOrders(dice: Dice, core: PartitionCore, commit: number, endNs: bigint): BillingRunOrder[] {
  if (core.holdsCustomers() || !dice.chance(0.1)) return []
  return [{ billingRunId: `run_${commit}`, cutoffNs: endNs - BigInt(dice.below(120)) * dayNs }]
}
