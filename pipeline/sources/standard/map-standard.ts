// From an arrival of a source of kind `standard` to what becomes of it, by the rules of its mapping file: the first rule that
// agrees decides.

import { decodeUtf8, parseJson } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { msOf, parseInstant } from '../../../schemas/time.js'
import type { Arrival, ArrivalDraft, MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import type { EventSpec, Rule, StandardRules } from './rules.js'
import { objectOf, readSpec, type Scope } from './values.js'

export function mapStandard(arrival: Arrival, context: MapContext<StandardRules>): MapOutcome {
  const text = decodeUtf8(arrival.bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (json?.kind !== 'ok') {
    context.fault('malformed_body', 'The body is no JSON in UTF-8.')
    return { kind: 'events', events: [] }
  }
  const { rules } = context
  const type = typeOf(json.value, rules)
  const rule = rules.rules.find(one => agrees(one, type, json.value))
  if (rule === undefined) {
    if (rules.otherwise === 'wait') context.fault('no_rule', `No rule takes the type ${type.slice(0, 100)}.`)
    return { kind: 'ignored', reason: 'no_rule' }
  }
  if (rule.gives.kind === 'ignore') return { kind: 'ignored', reason: rule.gives.reason }
  const happened =
    rules.occurredAt && textIn(readSpec(rules.occurredAt, '/occurred_at', scopeOf(json.value, context)))
  const { events: specs } = rule.gives
  const events = specs.flatMap((spec, place) =>
    eventsOf(spec, { place, of: specs.length }, json.value, happened, context),
  )
  if (events.length === 0) return { kind: 'ignored', reason: 'nothing_to_say' }
  return { kind: 'events', events }
}

/** The type that the body names; '' where it names none. */
export function typeOf(body: unknown, { type }: Pick<StandardRules, 'type'>): string {
  return textIn(type.query(body as never).values()[0]) ?? ''
}

/** The facts of an arrival that stand in its body, as far as it can be read without rules. */
export function draftFacts(bytes: Uint8Array): Pick<ArrivalDraft, 'type' | 'occurredAtMs'> {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  const body = json?.kind === 'ok' && typeof json.value === 'object' ? json.value : null
  const { type, timestamp } = (body ?? {}) as { readonly type?: unknown; readonly timestamp?: unknown }
  const atNs = typeof timestamp === 'string' ? parseInstant(timestamp) : undefined
  return {
    type: typeof type === 'string' ? type.slice(0, 200) : '',
    ...(atNs === undefined ? {} : { occurredAtMs: msOf(atNs) }),
  }
}

function agrees({ types, where }: Rule, type: string, body: unknown): boolean {
  if (types.length > 0 && !types.includes(type)) return false
  return where.every(({ path, values }) =>
    path
      .query(body as never)
      .values()
      .some(value => values.includes(textIn(value) ?? '')),
  )
}

interface Place {
  readonly place: number
  readonly of: number
}

function eventsOf(
  spec: EventSpec,
  place: Place,
  body: unknown,
  happened: string | undefined,
  context: MapContext<StandardRules>,
): MappedEvent[] {
  if (spec.each === undefined) return [eventOf(spec, place, undefined, scopeOf(body, context), happened)]
  const values = spec.each.query(body as never).values()
  return values.map((each, index) =>
    eventOf(spec, place, index, { ...scopeOf(body, context), each }, happened),
  )
}

function eventOf(
  spec: EventSpec,
  { place, of }: Place,
  index: number | undefined,
  scope: Scope,
  happened: string | undefined,
): MappedEvent {
  const read = (name: string, value: EventSpec['key']) =>
    value === undefined ? undefined : textIn(readSpec(value, `/${name}`, scope))
  const version = spec.version === undefined ? undefined : versionOf(spec.version, scope)
  const own = read('key', spec.key)
  const parts = [...(of > 1 ? [String(place + 1)] : []), ...(own === undefined ? [] : [own])]
  if (own === undefined && index !== undefined) parts.push(String(index + 1))
  return {
    key: parts.join('/'),
    type: spec.type,
    subject: read('subject', spec.subject) ?? '',
    time: read('time', spec.time) ?? happened,
    data: objectOf(spec.data, '/data', scope),
    version,
    correlationId: read('correlation_id', spec.correlationId),
    subscriptionId: read('subscription_id', spec.subscriptionId),
  }
}

/** A whole number, or an instant as its milliseconds. */
function versionOf(spec: NonNullable<EventSpec['version']>, scope: Scope): number | undefined {
  const text = textIn(readSpec(spec, '/version', scope))
  if (text === undefined) return undefined
  if (/^\d{1,16}$/.test(text)) return Number(text)
  const atNs = parseInstant(text)
  if (atNs !== undefined) return msOf(atNs)
  scope.context.fault('invalid_version', 'version: it is neither a whole number nor an instant.', '/version')
  return undefined
}

function scopeOf(body: unknown, context: MapContext<StandardRules>): Scope {
  return { body, each: undefined, context }
}

function textIn(value: unknown): string | undefined {
  const text = scalarText(value)
  return typeof text === 'string' ? text : undefined
}
