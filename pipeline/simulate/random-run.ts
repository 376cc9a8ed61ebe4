// Drives a core through a random history as the engine would on a bad day. The same seed, the same run.

import { parseCatalogValue } from '../../schemas/catalog-parser.js'
import type { ChargeRow, MrrMovementRow, RatedUsageRow } from '../../schemas/tables.js'
import { type BillingRunOrder, type HistoryAnswer, PartitionCore } from '../partition/core.js'
import { unlimitedCoreLimits } from '../partition/core-limits.js'
import { PartitionState } from '../partition/state/partition-state.js'
import { MemoryHistory } from './memory-history.js'
import type { OracleCatalog } from './oracle-events.js'
import { Dice, inMessages, type RandomHistory } from './random-history.js'

/** After everything that a history holds. */
export const asOfMs = Date.UTC(2026, 4, 15)
export const config = { partition: 0, partitions: 1, limits: unlimitedCoreLimits }

export interface Run {
  readonly core: PartitionCore
  readonly rated: readonly RatedUsageRow[]
  /** Those written before the last billing run. */
  readonly unsealed: readonly RatedUsageRow[]
  readonly movements: readonly MrrMovementRow[]
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

/** Restarts from what was stored: the newest snapshot and the deltas after it. */
class Storage {
  #snapshot: Uint8Array | undefined
  #deltas: Uint8Array[] = []

  committed(delta: Uint8Array, snapshot: Uint8Array | undefined): void {
    this.#deltas.push(delta)
    if (snapshot === undefined) return
    this.#snapshot = snapshot
    this.#deltas = []
  }

  restore(tap: ConstructorParameters<typeof PartitionCore>[1], breakage: Breakage): PartitionCore {
    const deltas = breakage.losesDeltas === true ? [] : this.#deltas
    return PartitionCore.restore(config, this.#snapshot, deltas, tap)
  }
}

/** Hands a history to a core: in batches, with late and repeated answers, billing runs and restarts in between. */
export function runCore(seed: number, history: RandomHistory, breakage: Breakage = {}): Run {
  const dice = new Dice(seed ^ 0x5eed)
  const memory = new MemoryHistory()
  const rated: RatedUsageRow[] = []
  const movements: MrrMovementRow[] = []
  const sealed: ChargeRow[] = []
  const tap = {
    charge: (row: ChargeRow) => sealed.push(row),
    only: dice.chance(0.95),
    movement: (row: MrrMovementRow) => movements.push(row),
    rated: (row: RatedUsageRow) => {
      rated.push(row)
      memory.add(row)
    },
  }
  let core = new PartitionCore(config, tap, stateWith(history.catalog))
  const storage = new Storage()
  storage.committed(new Uint8Array(), core.snapshot())
  const batches = inMessages(dice, history.received, 1 + dice.below(12))
  let stale: HistoryAnswer[] = []
  let answered = 0
  for (let commit = 1; batches.length > 0 || core.holdsCustomers(); commit += 1) {
    const messages = (batches.shift() ?? []).map((bytes, seq) => ({ seq, arrivedAtMs: asOfMs, bytes }))
    const isAnswered = batches.length === 0 || dice.chance(0.3)
    const fresh = isAnswered ? core.openHistoryRequests().map(request => memory.answer(request)) : []
    answered += fresh.length
    const answers = [...stale, ...fresh].map(answer =>
      breakage.losesHistory === true ? { ...answer, rows: answer.rows.slice(1) } : answer,
    )
    const asked = core.openHistoryRequests()
    const onLifecycle = dice.chance(0.5)
    const output = core.process({
      nowMs: asOfMs,
      commit,
      catalog: [],
      lifecycle: onLifecycle ? messages : [],
      metering: onLifecycle ? [] : messages,
      orders: [],
      history: answers,
    })
    // An answer that comes once more, or to a request that was replaced, must be harmless.
    stale = dice.chance(0.2) ? asked.map(request => ({ requestId: request.requestId, rows: [] })) : []
    stale = stale.filter(one => !output.historyRequests.some(open => open.requestId === one.requestId))
    const orders = randomOrders(dice, core, commit)
    storage.committed(output.delta, undefined)
    if (orders.length > 0) storage.committed(core.process({ ...nothing, commit, orders }).delta, undefined)
    if (dice.chance(0.1)) storage.committed(new Uint8Array(), core.snapshot())
    if (dice.chance(0.15)) core = storage.restore(tap, breakage)
  }
  // Before the last run completes the rows of what was not used.
  const unsealed = [...rated]
  const last = { billingRunId: 'last', cutoffMs: asOfMs }
  core.process({ ...nothing, commit: 1_000_000, orders: [last] })
  return { core, rated, unsealed, movements, sealed, answers: answered }
}

const nothing = { nowMs: asOfMs, catalog: [], lifecycle: [], metering: [], orders: [], history: [] }

/** A billing run now and then, with any cutoff; the engine hands none in while customers are held. */
function randomOrders(dice: Dice, core: PartitionCore, commit: number): BillingRunOrder[] {
  if (core.holdsCustomers() || !dice.chance(0.1)) return []
  return [{ billingRunId: `run_${commit}`, cutoffMs: Date.UTC(2026, 0, 10 + dice.below(130)) }]
}

export function stateWith(catalog: OracleCatalog): PartitionState {
  const parsed = parseCatalogValue(catalog)
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const state = new PartitionState(unlimitedCoreLimits.dedupeHorizonMs)
  state.catalog = parsed.catalog
  return state
}
