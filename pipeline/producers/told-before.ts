// Under which customer an event was told before, where the id of its customer has meant several: after a merge, a split, or an
// id that was moved. Each customer lives in a partition that knows nothing of what the others took, so an event that is sent
// again has to go where it went first. What was taken is read from the tables of ClickHouse.
// Invariants:
// 1. Before the tables are asked they have everything that was accepted before the question. So it is as long as an id has just got
//    another meaning, or was just seen; later on they have all that was sent under the meanings before, and no one waits.
// 2. While that is not so the request is refused, and is harmless when it comes again.
// 3. An id that has always meant one customer is never looked up.

import type { ClickHouseClient } from '@clickhouse/client'
import { unavailable } from '../gateway/problem.js'

export interface AskedEvent {
  readonly id: string
  /** How the producer's system names the customer. */
  readonly theirs: string
  /** Whom it means now. */
  readonly ours: string
  /** Everyone it has ever meant. */
  readonly ever: readonly string[]
}

/** One row for each event that has been taken, and customer that has it. */
export type TakenUnder = (
  source: string,
  ids: readonly string[],
  customers: readonly string[],
) => Promise<readonly { readonly id: string; readonly customer: string }[]>

export interface ToldBeforeParts {
  readonly source: string
  readonly takenUnder: TakenUnder
  /** Resolves with true once the tables have all that these customers' partitions had accepted when it was called; false: too late. */
  readonly caughtUp: (customers: readonly string[]) => Promise<boolean>
  readonly nowMs: () => number
}

/** Longer than another process may go on with what an id meant before, and than a request may last. */
const freshMs = 180_000
const rememberedMost = 50_000
const retrySeconds = 5

export class ToldBefore {
  readonly #parts: ToldBeforeParts
  /** By theirs: what it means and has meant, and since when we know. */
  readonly #seen = new Map<string, { readonly meaning: string; readonly sinceMs: number }>()

  constructor(parts: ToldBeforeParts) {
    this.#parts = parts
  }

  /** The customer of each event, by place: the one under which it was told first, else the one that is meant now. */
  async customersOf(events: readonly AskedEvent[]): Promise<readonly string[]> {
    const moved = events.filter(({ ours, ever }) => ever.some(one => one !== ours)) // invariant 3
    if (moved.length === 0) return events.map(({ ours }) => ours)
    const { source, takenUnder, caughtUp } = this.#parts
    const fresh = moved.filter(one => this.#isFresh(one))
    if (fresh.length > 0 && !(await caughtUp(customersIn(fresh))))
      throw unavailable(
        'pipeline_stopped',
        'An id of a customer has just been moved, and it is not known yet what came before. Send it again.',
        retrySeconds,
      ) // invariant 2
    const rows = await takenUnder(source, [...new Set(moved.map(({ id }) => id))], customersIn(moved))
    const taken = new Map<string, readonly string[]>()
    for (const { id, customer } of rows) taken.set(id, [...(taken.get(id) ?? []), customer])
    return events.map(({ id, ours, ever }) => {
      const under = (taken.get(id) ?? []).filter(one => ever.includes(one))
      return under.includes(ours) ? ours : (under.toSorted()[0] ?? ours)
    })
  }

  #isFresh({ theirs, ours, ever }: AskedEvent): boolean {
    const meaning = JSON.stringify([ours, ever.toSorted()])
    const nowMs = this.#parts.nowMs()
    const seen = this.#seen.get(theirs)
    if (seen?.meaning === meaning) return nowMs - seen.sinceMs < freshMs
    this.#seen.delete(theirs)
    this.#seen.set(theirs, { meaning, sinceMs: nowMs })
    const [oldest] = this.#seen.keys()
    if (this.#seen.size > rememberedMost && oldest !== undefined) this.#seen.delete(oldest)
    return true
  }
}

function customersIn(events: readonly AskedEvent[]): readonly string[] {
  return [...new Set(events.flatMap(({ ours, ever }) => [ours, ...ever]))]
}

/** Of events that were rated, are metered by nothing, or wait. */
export function takenIn(clickhouse: ClickHouseClient): TakenUnder {
  const where = `cityHash64(event_source, event_id) IN (SELECT cityHash64({source: String}, arrayJoin({ids: Array(String)})))
    AND event_source = {source: String} AND has({ids: Array(String)}, event_id) AND has({customers: Array(String)}, customer_id)`
  return async (source, ids, customers) => {
    const answer = await clickhouse.query({
      // `rated_usage` is in the order of this hash of the customer.
      query: `SELECT event_id AS id, customer_id AS customer FROM rated_usage WHERE ${where}
          AND cityHash64(customer_id) % 512 IN (SELECT cityHash64(arrayJoin({customers: Array(String)})) % 512)
        UNION DISTINCT SELECT event_id AS id, customer_id AS customer FROM event_outcomes WHERE ${where}`,
      query_params: { source, ids, customers },
      format: 'JSONEachRow',
    })
    return answer.json<{ readonly id: string; readonly customer: string }>()
  }
}
