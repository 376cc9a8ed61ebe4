// Runs the mapping in force again over arrivals that were settled before, and sends what differs.
// Invariants:
// 1. Only what differs from what was sent is sent, under an id that names the revision, with a sequence that wins.
// 2. A correction is sent only of what has an order in which the later wins: changes of subscriptions and customers. A payment,
//    an invoice or usage would count twice: it is told as `not_correctable`.
// 3. What was sent and is given no more is told as `withdrawn`; nothing is taken back by guessing.
// 4. A dry run publishes and records nothing.

import type { ClickHouseClient } from '@clickhouse/client'
import type { ArrivalOutcome, SourceCheckpoint } from '../../schemas/arrival-outcome.js'
import { isCorrectable, type MadeEvent } from './map/made-events.js'
import { mapArrival, type Outcome } from './map/map-arrival.js'
import type { RulesInForce } from './mapping-rules.js'
import { outcomeRow, record, type SettleParts, sourceCaller } from './settle.js'
import type { Arrival } from './source-kind.js'

export const rerunCounts = [
  'same',
  'changed',
  'not_correctable',
  'added',
  'withdrawn',
  'ignored',
  'waiting',
  'refused',
] as const
export type RerunCounts = Record<(typeof rerunCounts)[number], number>

export interface RerunExample {
  readonly arrival_id: string
  readonly what: 'changed' | 'not_correctable' | 'added' | 'withdrawn' | 'waiting'
  readonly event_id: string
  /** What would be sent, or why it waits. */
  readonly after: unknown
}

export interface Rerun {
  readonly counts: RerunCounts
  readonly examples: readonly RerunExample[]
}

interface Sent {
  readonly id: string
  readonly type: string
  readonly customer_id: string
  readonly content_hash: string
}

export async function rerunArrivals(
  parts: SettleParts,
  clickhouse: ClickHouseClient,
  arrivals: readonly Arrival[],
  { rules }: RulesInForce,
  checkpoint: SourceCheckpoint,
  isDry: boolean,
): Promise<Rerun> {
  const { source, identities } = parts
  const { settings, loaded, kind } = source
  const maker = { kind: kind.kind, source: settings.name, revision: checkpoint.revision, isCorrection: true }
  const sent = await sentBefore(clickhouse, settings.name, arrivals)
  const counts: RerunCounts = {
    same: 0,
    changed: 0,
    not_correctable: 0,
    added: 0,
    withdrawn: 0,
    ignored: 0,
    waiting: 0,
    refused: 0,
  }
  const examples: RerunExample[] = []
  const publish: MadeEvent[] = []
  const rows: ArrivalOutcome[] = []
  for (const arrival of arrivals) {
    const { owners, homes } = parts
    const mapper = {
      settings,
      loaded,
      rules,
      maker,
      identities,
      ...(owners === undefined ? {} : { owners: owners.rules }),
      ...(homes === undefined ? {} : { homes: isDry ? homes.readOnly() : homes }),
    }
    const mapped = await mapArrival(arrival, mapper)
    const outcome = isDry ? mapped : ((await owners?.settled(mapped, arrival)) ?? mapped)
    const before = sent.get(arrival.sequence) ?? []
    const seen = compare(arrival, outcome, before, counts, examples)
    publish.push(...seen.publish)
    if (seen.row !== undefined) rows.push(seen.row)
  }
  if (isDry || rows.length === 0) return { counts, examples }
  const { rejected } = await parts.events.take(publish, sourceCaller)
  counts.refused = rejected.length
  await record(parts, checkpoint, rows)
  return { counts, examples }
}

function compare(
  arrival: Arrival,
  outcome: Outcome,
  before: readonly Sent[],
  counts: RerunCounts,
  examples: RerunExample[],
): { readonly publish: readonly MadeEvent[]; readonly row?: ArrivalOutcome } {
  const example = (what: RerunExample['what'], event_id: string, after: unknown) =>
    examples.push({ arrival_id: arrival.id, what, event_id, after })
  if (outcome.kind === 'waits') {
    counts.waiting += 1
    example('waiting', '', outcome.faults)
    return { publish: [] } // what was sent stays; a mended mapping is run again
  }
  const made = outcome.kind === 'events' ? outcome : { events: [], hashes: [] }
  if (outcome.kind !== 'events') counts.ignored += 1
  const left = new Map(before.map(one => [baseOf(one.id), one]))
  const publish: MadeEvent[] = []
  const stands: Sent[] = []
  for (const [index, event] of made.events.entries()) {
    const old = left.get(baseOf(event.id))
    left.delete(baseOf(event.id))
    const hash = made.hashes[index] ?? ''
    if (old !== undefined && old.content_hash === hash) {
      counts.same += 1
      stands.push(old)
      continue
    }
    const what = old === undefined ? 'added' : isCorrectable(event) ? 'changed' : 'not_correctable'
    counts[what] += 1
    example(what, event.id, event)
    if (what === 'not_correctable') {
      stands.push(old!)
      continue
    }
    publish.push(event)
    stands.push({ id: event.id, type: event.type, customer_id: event.subject, content_hash: hash })
  }
  for (const old of left.values()) {
    counts.withdrawn += 1
    example('withdrawn', old.id, null)
  }
  if (publish.length === 0) return { publish }
  return { publish, row: { ...outcomeRow(arrival, outcome), events: stands } }
}

/** The id without the revision, and the change of what holds, that it names. */
export function baseOf(id: string): string {
  return id.replace(/(?:~r?\d+)+$/, '')
}

/** The events of the last outcome of each arrival. */
async function sentBefore(
  clickhouse: ClickHouseClient,
  source: string,
  arrivals: readonly Arrival[],
): Promise<ReadonlyMap<number, readonly Sent[]>> {
  const query = `SELECT arrival_sequence AS sequence, event_id AS id, toString(event_type) AS type, customer_id, content_hash
    FROM arrival_events WHERE source_name = {source: String} AND has({sequences: Array(UInt64)}, arrival_sequence)
      AND (arrival_sequence, stream_sequence) IN (SELECT arrival_sequence, max(stream_sequence) FROM arrivals
        WHERE source_name = {source: String} AND has({sequences: Array(UInt64)}, arrival_sequence) GROUP BY arrival_sequence)`
  const answer = await clickhouse.query({
    query,
    query_params: { source, sequences: arrivals.map(({ sequence }) => sequence) },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  })
  const found = new Map<number, Sent[]>()
  for (const { sequence, ...one } of await answer.json<Sent & { readonly sequence: number }>())
    found.set(sequence, [...(found.get(sequence) ?? []), one])
  return found
}
