// The versions of the subscriptions that an event was rated on: which one held at its time, why not the others, and the
// changes as they were received, from which fields and arithmetic are told.

import type { JetStreamManager } from '@nats-io/jetstream'
import { parseLifecycleEvent, type SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import { compareInstants, parseInstant } from '../../schemas/time.js'
import type { Question } from './ask.js'
import { decodedEvents } from './received.js'

export interface VersionRow {
  readonly subscription_id: string
  readonly customer_id: string
  readonly sequence: number
  readonly revision: number
  readonly change: string
  readonly status: string
  readonly plan: string
  readonly plan_version: number
  readonly effective_from: string
  readonly effective_until: string | null
  readonly quantities: Readonly<Record<string, string>>
  readonly entity_id: string
  readonly event_source: string
  readonly event_id: string
  readonly partition: number
  readonly ledger_sequence: number
  /** The commit that wrote the sequence first: since when it is known. */
  readonly known_since: number
}

export interface VersionChoice extends Omit<VersionRow, 'revision' | 'customer_id'> {
  /** The event was rated on it. */
  readonly chosen: boolean
  /** It holds at the event's time, as is known now. */
  readonly holds: boolean
  readonly why: string
}

const versionColumns: readonly (keyof VersionRow)[] = [
  'subscription_id',
  'customer_id',
  'sequence',
  'revision',
  'change',
  'status',
  'plan',
  'plan_version',
  'effective_from',
  'effective_until',
  'quantities',
  'entity_id',
  'event_source',
  'event_id',
  'partition',
  'ledger_sequence',
]

/** All versions of the subscriptions, for `VersionRow`. */
export function versionsOf(customer: string, subscriptions: readonly string[]): Question | undefined {
  if (subscriptions.length === 0) return undefined
  const query = `SELECT ${versionColumns.join(', ')}, min(ledger_sequence) OVER (PARTITION BY subscription_id, sequence) AS known_since
    FROM subscription_versions
    WHERE customer_id = {subscriber: String} AND subscription_id IN ({subscribed: Array(String)})
    ORDER BY subscription_id, sequence, revision DESC LIMIT 1 BY subscription_id, sequence`
  return { query, params: { subscriber: customer, subscribed: subscriptions } }
}

/** `atNs`: the event's time. `chosen`: by subscription, the version that the event was rated on. */
export function choicesOf(
  versions: readonly VersionRow[],
  atNs: bigint,
  chosen: ReadonlyMap<string, number>,
): VersionChoice[] {
  return versions.map(({ revision: _, customer_id: __, ...version }) => {
    const isChosen = chosen.get(version.subscription_id) === version.sequence
    const known = standingOf(version, atNs, versions)
    return { ...version, chosen: isChosen, holds: known.holds, why: whyOf(version, known, isChosen) }
  })
}

type Known = Omit<VersionRow, 'revision' | 'customer_id'>

interface Standing {
  readonly holds: boolean
  readonly begins: 'after' | 'by then'
  /** The highest version in force by then that is higher than this one. */
  readonly higher: VersionRow | undefined
}

function standingOf(version: Known, atNs: bigint, all: readonly VersionRow[]): Standing {
  const isInForce = (one: Known): boolean => compareInstants(parseInstant(one.effective_from)!, atNs) <= 0
  if (!isInForce(version)) return { holds: false, begins: 'after', higher: undefined }
  const higher = all.findLast(
    one =>
      one.subscription_id === version.subscription_id && one.sequence > version.sequence && isInForce(one),
  )
  return { holds: higher === undefined, begins: 'by then', higher }
}

function whyOf({ effective_from: from }: Known, { begins, higher }: Standing, isChosen: boolean): string {
  if (begins === 'after')
    return isChosen
      ? `It was in force when the event was rated; it now begins at ${from}, after the event.`
      : `It begins at ${from}, after the event.`
  if (higher === undefined)
    return `The highest sequence with effective_from at or before the event: in force from ${from} on.`
  return isChosen
    ? `It was the highest in force when the event was rated; version ${higher.sequence} came later and holds now.`
    : `Version ${higher.sequence} is higher and in force by then, from ${higher.effective_from} on.`
}

/** Changes read back beyond this number would make the answer slow. */
const maxChanges = 40

/** Which messages brought the changes, for `InputRow`. */
export function inputsOf(versions: readonly VersionRow[]): Question | undefined {
  if (versions.length === 0 || versions.length > maxChanges) return undefined
  const events = versions.map(one => `${quoted(one.event_source)}, ${quoted(one.event_id)}`)
  const query = `SELECT event_source, event_id, input_stream, input_sequence FROM event_outcomes
    WHERE cityHash64(event_source, event_id) IN (${events.map(one => `cityHash64(${one})`).join(', ')})
      AND (event_source, event_id) IN (${events.map(one => `(${one})`).join(', ')})
      AND disposition IN ('applied', 'parked')`
  return { query, params: {} }
}

export interface InputRow {
  readonly event_source: string
  readonly event_id: string
  readonly input_stream: string
  readonly input_sequence: number
}

/**
 * The changes as they were received, by subscription; a subscription is left out when not all of its changes are held.
 * `planVersion` is filled in as it was when the change was applied.
 */
export async function readChanges(
  jsm: JetStreamManager,
  versions: readonly VersionRow[],
  rows: readonly InputRow[],
): Promise<ReadonlyMap<string, readonly SubscriptionChange[]>> {
  if (rows.length === 0) return new Map()
  const inputs = new Map(
    rows.map(row => [
      JSON.stringify([row.event_source, row.event_id]),
      { stream: row.input_stream, sequence: row.input_sequence },
    ]),
  )
  const found = await Promise.all(
    versions.map(async version => {
      const sequence = inputs.get(JSON.stringify([version.event_source, version.event_id]))
      return { version, change: sequence === undefined ? undefined : await changeAt(jsm, sequence, version) }
    }),
  )
  const bySubscription = new Map<string, SubscriptionChange[]>()
  const incomplete = new Set<string>()
  for (const { version, change } of found) {
    if (change === undefined) incomplete.add(version.subscription_id)
    else {
      const known = bySubscription.get(version.subscription_id) ?? []
      bySubscription.set(version.subscription_id, [...known, change])
    }
  }
  for (const id of incomplete) bySubscription.delete(id)
  return bySubscription
}

/** A text of SQL. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

async function changeAt(
  jsm: JetStreamManager,
  { stream, sequence }: { readonly stream: string; readonly sequence: number },
  version: VersionRow,
): Promise<SubscriptionChange | undefined> {
  const message = await jsm.streams.getMessage(stream, { seq: sequence })
  if (message === null) return undefined
  for (const one of decodedEvents(message, 'LIFECYCLE')) {
    if (one.kind !== 'event') continue
    const { event } = one
    if (event.source !== version.event_source || event.id !== version.event_id) continue
    const parsed = parseLifecycleEvent(event)
    if (parsed.kind !== 'ok' || parsed.value.kind !== 'subscription_change') return undefined
    const { change } = parsed.value
    const isFilled = change.plan === undefined || change.planVersion !== undefined
    return isFilled ? change : { ...change, planVersion: version.plan_version }
  }
  return undefined
}
