// Puts together what became of one event: reads ClickHouse, the streams that hold its bytes, and how far ClickHouse is
// behind. Reads only; every question to ClickHouse goes by an index or a key of its tables.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { parseInstant } from '../../schemas/time.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import { addedByEvent, explainedAdded } from './added-charges.js'
import { arrivalOf } from './arrival-of.js'
import { ask } from './ask.js'
import {
  type ChargeKey,
  type ChargeLine,
  type ChargeSums,
  readLines,
  readSamples,
  sumsOf,
} from './charge-rows.js'
import { type EventRows, type Identity, type RatedUsage, readEventRows } from './event-rows.js'
import type { EventExplanation, ExplainedCharge, TargetedBy } from './explanation.js'
import { readReceived } from './received.js'
import { stationsOf } from './stations.js'
import { arithmeticOf, fieldOrigins, type PublishedCatalog } from './terms.js'
import { sumOf, verdictOf } from './verdict.js'
import { choicesOf, type InputRow, inputsOf, readChanges, type VersionRow, versionsOf } from './versions.js'

export interface ExplainSource {
  readonly clickhouse: ClickHouseClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The feed of LEDGER to ClickHouse. */
  readonly feed: Feed
  readonly catalog: PublishedCatalog
}

/** How many events of a charge are read for its arithmetic, where sums do not tell it. */
const maxSamples = 2_000

/** Undefined: nothing is known of the event. */
export async function explainEvent(
  source: ExplainSource,
  identity: Identity,
): Promise<EventExplanation | undefined> {
  const [rows, behind, added] = await Promise.all([
    readEventRows(source.clickhouse, identity),
    clickhouseBehind(source),
    addedByEvent(source.clickhouse, identity),
  ])
  const verdict = verdictOf(rows)
  const { kept } = verdict
  if (kept === undefined && rows.about.length === 0) return undefined
  const keys = [...chargeKeysOf(rows), ...(added === undefined ? [] : [added])]
  const priced = rows.rated.filter(row => row.event_count !== 0 && row.subscription_id !== '')
  // A redrive or an amendment may have led the event to another customer than it was sent for.
  const customer = priced.findLast(row => row.event_count > 0)?.customer_id ?? kept?.customer_id ?? ''
  const subscriptions = [...new Set(priced.map(row => row.subscription_id))]
  const [received, arrival, terms] = await Promise.all([
    kept === undefined ? undefined : readReceived(source.jsm, kept, identity),
    arrivalOf(source.clickhouse, identity),
    readTerms(source, customer, subscriptions, keys),
  ])
  const atNs = parseInstant(kept?.event_time ?? '') ?? 0n
  const rated = await Promise.all(groupsOf(rows).map(group => chargeOf(source, group, { ...terms, atNs })))
  const beside =
    added === undefined
      ? []
      : [explainedAdded(added, terms.lines.get(added.charge_id) ?? [], kept?.ingested_at ?? added.event_time)]
  const charges = [...rated, ...beside]
  const residuals = rows.rated.filter(row => row.event_count === 0).length
  const facts = {
    ...identity,
    type: kept?.event_type ?? '',
    customer_id: customer,
    time: kept?.event_time ?? '',
    correlation_id: kept?.correlation_id ?? '',
    disposition: verdict.disposition,
    code: verdict.code,
    detail: verdict.detail,
    is_retracted: verdict.isRetracted,
    clickhouse_behind: behind,
    is_cut: rows.isCut,
    received: received ?? null,
    arrival,
    attempts: verdict.attempts,
    targeted_by: targetedBy(rows),
    caused: residuals === 0 ? null : { rows: residuals },
    versions: choicesOf(terms.versions, atNs, chosenOf(priced)),
    fields: Object.fromEntries([...terms.changes].map(([id, changes]) => [id, fieldOrigins(changes, atNs)])),
    charges,
    history: verdict.history,
    resolutions: rows.resolutions,
  }
  return { ...facts, stations: stationsOf({ ...facts, verdict }) }
}

/** Messages of LEDGER for ClickHouse that it has not taken; 0 when it has all. */
export async function clickhouseBehind({ jsm, sinks, feed }: ExplainSource): Promise<number> {
  const [position, { state }] = await Promise.all([
    recordedPosition(sinks, feed.key),
    jsm.streams.info(feed.stream),
  ])
  if (position >= state.last_seq) return 0
  const from = { jsm, stream: feed.stream, filterSubjects: feed.filterSubjects }
  return (await isCovered(from, position, state.last_seq)) ? 0 : state.last_seq - position
}

interface Terms {
  readonly versions: readonly VersionRow[]
  readonly changes: Awaited<ReturnType<typeof readChanges>>
  readonly sums: ReadonlyMap<string, ChargeSums>
  readonly lines: ReadonlyMap<string, readonly ChargeLine[]>
}

/** What the subscriptions say, and what became of the charges; nothing waits for what it does not need. */
async function readTerms(
  { clickhouse, jsm }: ExplainSource,
  customer: string,
  subscriptions: readonly string[],
  keys: readonly ChargeKey[],
): Promise<Terms> {
  const told = async () => {
    const versions = await ask<VersionRow>(clickhouse, versionsOf(customer, subscriptions))
    const inputs = await ask<InputRow>(clickhouse, inputsOf(versions))
    return { versions, changes: await readChanges(jsm, versions, inputs) }
  }
  const [{ versions, changes }, sums, lines] = await Promise.all([
    told(),
    ask<ChargeSums>(clickhouse, sumsOf(keys)),
    readLines(clickhouse, keys),
  ])
  return { versions, changes, lines, sums: new Map(sums.map(row => [row.charge_id, row])) }
}

/** The version of the last row that counts, by subscription. */
function chosenOf(rows: readonly RatedUsage[]): ReadonlyMap<string, number> {
  return new Map(
    rows.filter(row => row.event_count > 0).map(row => [row.subscription_id, row.subscription_version]),
  )
}

function chargeKeysOf(rows: EventRows): ChargeKey[] {
  const keys = new Map<string, ChargeKey>()
  for (const row of rows.rated) {
    if (row.charge_id !== '' && row.event_count !== 0 && !keys.has(row.charge_id))
      keys.set(row.charge_id, row)
  }
  return [...keys.values()]
}

/** The event's rows by meter and charge. */
function groupsOf({ rated }: EventRows): RatedUsage[][] {
  const groups = new Map<string, RatedUsage[]>()
  for (const row of rated) {
    if (row.event_count === 0) continue
    const key = JSON.stringify([row.meter, row.charge_id])
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()]
}

type TermsAt = Terms & { readonly atNs: bigint }

async function chargeOf(
  source: ExplainSource,
  rows: readonly RatedUsage[],
  terms: TermsAt,
): Promise<ExplainedCharge> {
  const first = rows[0]!
  const last = rows.at(-1)!
  const sums = terms.sums.get(first.charge_id)
  const lines = terms.lines.get(first.charge_id) ?? []
  return {
    charge_id: first.charge_id,
    subscription_id: first.subscription_id,
    subscription_version: last.subscription_version,
    plan: last.plan,
    plan_version: last.plan_version,
    price: first.price,
    meter: first.meter,
    value: last.value,
    period_from: first.period_from,
    period_until: first.period_until,
    entity_id: last.entity_id,
    currency: first.currency,
    quantity: sumOf(rows.map(row => row.quantity)),
    amount: sumOf(rows.map(row => row.amount)),
    rated_at: first.rated_at,
    partition: first.partition,
    ledger_sequence: first.ledger_sequence,
    charge_amount: sums === undefined ? '0' : sumOf([sums.amount]),
    charge_events: sums?.events ?? 0,
    corrections: (sums?.corrections ?? []).map(([commit, at, amount, source, id]) => ({
      at,
      ledger_sequence: commit,
      amount: sumOf([amount]),
      cause_source: source,
      cause_id: id,
    })),
    status: lines.some(line => line.billing_run_id !== '') ? 'billed' : 'open',
    lines,
    arithmetic: sums === undefined ? null : await arithmetic(source, first, sums, terms),
  }
}

async function arithmetic(source: ExplainSource, row: RatedUsage, sums: ChargeSums, terms: TermsAt) {
  return arithmeticOf({
    charge: row,
    currency: row.currency,
    meter: row.meter,
    atNs: terms.atNs,
    sums,
    catalog: await source.catalog.index(),
    changes: terms.changes.get(row.subscription_id),
    samples: async () => {
      const samples = await readSamples(source.clickhouse, row, maxSamples)
      return samples.length > maxSamples ? 'too many' : samples
    },
  })
}

function targetedBy({ about }: EventRows): TargetedBy[] {
  const last = new Map<string, TargetedBy>()
  for (const row of about) {
    if (row.event_count < 0) continue
    const { event_source: source, event_id: id, event_type: type, disposition, code, recorded_at: at } = row
    last.set(JSON.stringify([source, id]), { source, id, type, disposition, code, at })
  }
  return [...last.values()]
}
