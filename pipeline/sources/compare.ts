// Compares objects of a source with ours: what mapping their state would tell us, against what ClickHouse has.
// Invariant: nothing is sent or kept; an object whose mapping waits is told as `not_mapped`, never as equal.

import type { ClickHouseClient } from '@clickhouse/client'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import { eventSource, type MadeEvent } from './map/made-events.js'
import { mapArrival, type Outcome } from './map/map-arrival.js'
import type { RulesInForce } from './mapping-rules.js'
import type { RunningSource } from './source-desk.js'
import type { Arrival, ArrivalDraft, SourceObjectState } from './source-kind.js'

export interface Difference {
  readonly object: string
  /** Theirs; '' where they have none. */
  readonly id: string
  /** Ours; '' where we have none. */
  readonly our_id: string
  readonly what: 'missing' | 'extra' | 'different' | 'not_mapped'
  readonly field: string
  readonly theirs: string
  readonly ours: string
}

export interface Compared {
  /** Our ids of subscriptions and customers that the source has. */
  readonly subscriptions: readonly string[]
  readonly differences: readonly Difference[]
}

type Facts = Readonly<Record<string, string>>
interface Expected {
  readonly theirs: SourceObjectState
  readonly ourId: string
  readonly facts: Facts
}

const clickhouse_settings = { output_format_json_quote_64bit_integers: 0 } as const

export async function compareObjects(
  running: RunningSource,
  clickhouse: ClickHouseClient,
  objects: readonly SourceObjectState[],
  inForce: RulesInForce,
  nowMs: number,
  signal: AbortSignal,
): Promise<Compared> {
  const differences: Difference[] = []
  const expected: Expected[] = []
  for (const theirs of objects) {
    if (theirs.object !== 'subscription' && theirs.object !== 'customer') continue
    const outcome = await stateOf(running, theirs.arrival, inForce, nowMs, signal)
    if (outcome.kind === 'events') expected.push(...expectedOf(theirs, outcome.events, nowMs))
    if (outcome.kind === 'waits') differences.push(notMapped(theirs, outcome))
  }
  const ours = await ourFacts(clickhouse, expected, nowMs)
  for (const one of expected)
    differences.push(...compareOne(one, ours.get(keyOf(one.theirs.object, one.ourId))))
  const subscriptions = expected.filter(one => one.theirs.object === 'subscription').map(one => one.ourId)
  return { subscriptions, differences }
}

/** Subscriptions of ours that this source has told of; the next ones after `after`, in the order of their ids. */
export async function ourSubscriptions(
  clickhouse: ClickHouseClient,
  running: RunningSource,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const { settings, kind } = running.source
  const query = `SELECT DISTINCT subscription_id AS id FROM subscription_versions
    WHERE event_source = {source: String} AND subscription_id > {after: String} ORDER BY id LIMIT {limit: UInt32}`
  const source = eventSource({ kind: kind.kind, source: settings.name })
  const answer = await clickhouse.query({
    query,
    query_params: { source, after, limit },
    format: 'JSONEachRow',
  })
  return (await answer.json<{ id: string }>()).map(({ id }) => id)
}

export function extra(id: string): Difference {
  return { object: 'subscription', id: '', our_id: id, what: 'extra', field: '', theirs: '', ours: id }
}

/** What their state would tell, reading once more where it names another object. */
async function stateOf(
  { source, settling, reach }: RunningSource,
  draft: ArrivalDraft,
  { rules }: RulesInForce,
  nowMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const { settings, loaded, kind } = source
  const maker = { kind: kind.kind, source: settings.name, revision: 0, isCorrection: false }
  const homes = settling.homes?.readOnly()
  const mapper = {
    ...{ settings, loaded, rules, maker, identities: settling.identities },
    ...(homes === undefined ? {} : { homes }),
  }
  const arrival = (given: ArrivalDraft): Arrival => ({
    ...given,
    ...{ source: settings.name, via: 'fetch', receivedAtMs: nowMs, sequence: 1 },
    headers: given.headers ?? {},
  })
  const outcome = await mapArrival(arrival(draft), mapper)
  if (outcome.kind !== 'fetch' || reach?.fetch === undefined) return outcome
  const fetched = await reach.fetch(outcome.what, signal)
  return fetched.kind === 'found' ? mapArrival(arrival(fetched.arrival), mapper) : outcome
}

function expectedOf(theirs: SourceObjectState, events: readonly MadeEvent[], nowMs: number): Expected[] {
  const [first] = events
  if (first === undefined) return []
  const { data } = first
  if (theirs.object === 'customer')
    return [
      { theirs, ourId: String(data['customer_id']), facts: textsOf(data, ['name', 'currency', 'entity_id']) },
    ]
  const until = Date.parse(String(data['effective_until'] ?? ''))
  const facts: Facts = {
    ...textsOf(data, ['customer_id', 'plan', 'entity_id']),
    status: statusOf(events, nowMs),
    effective_until: Number.isNaN(until) ? '' : new Date(until).toISOString(),
    ...Object.fromEntries(
      Object.entries((data['quantities'] ?? {}) as Facts).map(([price, count]) => [
        `quantities.${price}`,
        String(count),
      ]),
    ),
  }
  return [{ theirs, ourId: String(data['subscription_id']), facts }]
}

function textsOf(data: Readonly<Record<string, unknown>>, names: readonly string[]): Facts {
  return Object.fromEntries(
    names.flatMap(name => (data[name] === undefined ? [] : [[name, String(data[name])]])),
  )
}

/** Of the events whose time has come, the last that says it. */
function statusOf(events: readonly MadeEvent[], nowMs: number): string {
  let status = 'active'
  for (const { type, data } of events) {
    if (Date.parse(String(data['effective_from'])) > nowMs) continue
    if (type.endsWith('.suspended')) status = 'suspended'
    if (type.endsWith('.resumed') || type.endsWith('.created')) status = 'active'
    if (type.endsWith('.cancelled')) status = 'cancelled'
  }
  return status
}

function compareOne({ theirs, ourId, facts }: Expected, ours: Facts | undefined): Difference[] {
  const base = { object: theirs.object, id: theirs.id, our_id: ourId }
  if (ours === undefined) {
    const said = canonicalJson(facts)
    return [{ ...base, our_id: '', what: 'missing', field: '', theirs: said, ours: '' }]
  }
  // Of what has ended nothing else matters.
  const isOver = facts['status'] === 'cancelled' && ours['status'] === 'cancelled'
  const fields = isOver ? [] : Object.entries(facts)
  const extras = isOver
    ? []
    : Object.entries(ours).filter(
        ([field, value]) => field.startsWith('quantities.') && facts[field] === undefined && !isNone(value),
      )
  return [...fields, ...extras.map(([field]) => [field, '0'] as const)].flatMap(([field, value]) => {
    const own = ours[field] ?? ''
    const isSame = value === own || (field.startsWith('quantities.') && isNone(value) && isNone(own))
    return isSame ? [] : [{ ...base, what: 'different' as const, field, theirs: value, ours: own }]
  })
}

function isNone(quantity: string): boolean {
  return quantity === '' || quantity === '0'
}

function notMapped(
  { object, id }: SourceObjectState,
  outcome: Extract<Outcome, { kind: 'waits' }>,
): Difference {
  const [{ code }] = outcome.faults
  const detail = outcome.faults.map(fault => fault.detail).join(' ')
  return { object, id, our_id: '', what: 'not_mapped', field: code, theirs: detail.slice(0, 500), ours: '' }
}

async function ourFacts(
  clickhouse: ClickHouseClient,
  expected: readonly Expected[],
  nowMs: number,
): Promise<ReadonlyMap<string, Facts>> {
  const found = new Map<string, Facts>()
  const idsOf = (object: string) => expected.filter(one => one.theirs.object === object).map(one => one.ourId)
  const subscriptions = idsOf('subscription')
  if (subscriptions.length > 0)
    for (const { id, quantities, ...row } of await rowsOf(
      clickhouse,
      subscriptionsQuery,
      subscriptions,
      nowMs,
    )) {
      const counts = Object.entries(quantities ?? {}).map(([price, count]) => [
        `quantities.${price}`,
        plain(count),
      ])
      found.set(keyOf('subscription', id), { ...textRow(row), ...Object.fromEntries(counts) })
    }
  const customers = idsOf('customer')
  if (customers.length > 0)
    for (const { id, quantities: _, ...row } of await rowsOf(clickhouse, customersQuery, customers, nowMs))
      found.set(keyOf('customer', id), textRow(row))
  return found
}

interface Row extends Readonly<Record<string, unknown>> {
  readonly id: string
  readonly quantities?: Readonly<Record<string, string>>
}

async function rowsOf(
  clickhouse: ClickHouseClient,
  query: string,
  ids: readonly string[],
  nowMs: number,
): Promise<readonly Row[]> {
  const query_params = { ids: [...ids], now: nowMs }
  const answer = await clickhouse.query({ query, query_params, format: 'JSONEachRow', clickhouse_settings })
  return answer.json<Row>()
}

// The version in force now; of one that has not begun, the newest.
const subscriptionsQuery = `SELECT subscription_id AS id, argMax(customer_id, place) AS customer_id, toString(argMax(plan, place)) AS plan,
  toString(argMax(status, place)) AS status, toString(argMax(entity_id, place)) AS entity_id, argMax(quantities, place) AS quantities,
  argMax(if(effective_until IS NULL, '', concat(replaceOne(toString(toDateTime64(assumeNotNull(effective_until), 3, 'UTC')), ' ', 'T'), 'Z')), place)
    AS effective_until
  FROM (SELECT *, (effective_from <= fromUnixTimestamp64Milli({now: Int64}), sequence, revision) AS place FROM subscription_versions
    WHERE has({ids: Array(String)}, subscription_id)) GROUP BY subscription_id`
const customersQuery = `SELECT customer_id AS id, argMax(name, place) AS name, toString(argMax(currency, place)) AS currency,
  toString(argMax(entity_id, place)) AS entity_id
  FROM (SELECT *, (event_time, ledger_sequence) AS place FROM customers WHERE has({ids: Array(String)}, customer_id))
  GROUP BY customer_id`

function textRow(row: Readonly<Record<string, unknown>>): Facts {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value ?? '')]))
}

/** A quantity without trailing zeros, as events have it. */
function plain(quantity: string): string {
  return quantity.includes('.') ? quantity.replace(/\.?0+$/, '') : quantity
}

function keyOf(object: string, id: string): string {
  return `${object} ${id}`
}
