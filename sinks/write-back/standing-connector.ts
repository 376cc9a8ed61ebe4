// The connector for how customers stand: reads the customer's object, and writes the fields that differ. A system brings how
// its objects are read and written.
// Invariants:
// 1. An object is never made: a customer that is not there is refused.
// 2. Only fields that the configuration maps and allows are written, and only where their value differs.
// 3. Where a field holds the time of the standing, a standing that is older than what is there is not written.

import {
  type CheckOutcome,
  type Connector,
  type ConnectorRecord,
  type FindOutcome,
  type Placed,
  type Preview,
  type PutOutcome,
  placeOf,
  type SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { unknownYet } from '../http/outcome.js'
import { fieldsNotAllowed } from './allowed-fields.js'
import { type FactValue, factOf, readStanding } from './standing-record.js'

/** Where a customer's object is: the value of a field that identifies it. */
export interface ObjectPlace {
  readonly field: string
  readonly value: string
}

export interface ObjectThere {
  /** The system's own id. */
  readonly id: string
  readonly values: Readonly<Record<string, unknown>>
}

export interface ObjectChange {
  readonly key: string
  readonly id: string
  readonly fields: Readonly<Record<string, FactValue>>
}

export type ObjectsRead =
  /** By value of the identifying field; an object that is there several times is there as often. */
  { readonly kind: 'read'; readonly objects: ReadonlyMap<string, readonly ObjectThere[]> } | PutOutcome

export interface StandingSystem {
  /** `Account`, `companies`. */
  readonly object: string
  readonly ownIdField: string
  readonly pageSize: number
  readonly attemptMs: number
  check(signal: AbortSignal): Promise<CheckOutcome>
  read(places: readonly ObjectPlace[], fields: readonly string[], signal: AbortSignal): Promise<ObjectsRead>
  /** Its outcomes stand in the order of the changes. */
  write(changes: readonly ObjectChange[], signal: AbortSignal): Promise<readonly PutOutcome[]>
}

export interface StandingSettings {
  /** Their field by our fact. */
  readonly fields: Readonly<Record<string, string>>
  /** The field that holds our customer id; undefined: their own id, by the mapping. */
  readonly found_by?: string | undefined
}

type Wanted = Readonly<Record<string, FactValue>>
type Judged =
  | { readonly kind: 'change'; readonly change: ObjectChange; readonly words: string }
  | { readonly kind: 'same'; readonly id: string }
  | PutOutcome

export class StandingConnector implements Connector {
  readonly pageSize: number
  readonly attemptMs: number
  /** What was given up may still be carried out. */
  readonly settlesWithinMs = 2 * 60_000
  readonly #system: StandingSystem
  readonly #settings: StandingSettings
  readonly #parts: ConnectorParts

  constructor(system: StandingSystem, settings: StandingSettings, parts: ConnectorParts) {
    this.pageSize = system.pageSize
    this.attemptMs = system.attemptMs
    this.#system = system
    this.#settings = settings
    this.#parts = parts
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    return (await this.#parts.mapping.problem()) ?? this.#system.check(signal)
  }

  async place(record: ConnectorRecord): Promise<Placed> {
    const read = readStanding(record)
    if (read.kind !== 'ok') return read
    const { found_by: field } = this.#settings
    if (field !== undefined) return { kind: 'placed', place: { field, value: read.standing.customer_id } }
    const mapped = await this.#parts.mapping.of(record)
    const value = mapped.customer()
    return mapped.refusal() ?? { kind: 'placed', place: { field: this.#system.ownIdField, value } }
  }

  async put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const stopped = fieldsNotAllowed(this.#written(), this.#parts.allowedFields) // invariant 2
    if (stopped !== undefined) return records.map(() => stopped)
    const judged = await this.#judge(records, signal)
    const changes = judged.flatMap(one => (one.kind === 'change' ? [one.change] : []))
    const written = changes.length === 0 ? [] : await this.#system.write(changes, signal)
    const byKey = new Map(changes.map(({ key }, index) => [key, written[index]!]))
    return judged.map(one => {
      if (one.kind === 'same') return { kind: 'accepted', externalId: one.id }
      return one.kind === 'change' ? byKey.get(one.change.key)! : one
    })
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const [judged] = await this.#judge([record], signal)
    switch (judged!.kind) {
      case 'same':
        return { kind: 'there', externalId: judged!.id, state: 'posted' }
      case 'change':
      case 'refused':
      case 'not_for_receiver':
        return { kind: 'absent' }
      default:
        return unknownYet(judged as PutOutcome)
    }
  }

  async preview(record: ConnectorRecord, signal: AbortSignal): Promise<Preview> {
    const [judged] = await this.#judge([record], signal)
    if (judged!.kind === 'change') return { kind: 'would', detail: judged!.words }
    if (judged!.kind !== 'same') return judged as PutOutcome
    return { kind: 'would', detail: `would change nothing of ${this.#system.object} ${judged!.id}` }
  }

  #written(): readonly string[] {
    return Object.keys(this.#settings.fields).map(field => `${this.#system.object}.${field}`)
  }

  /** What is to be changed for each record, by what stands there now. */
  async #judge(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly Judged[]> {
    const placed = await Promise.all(records.map(record => placeOf(this, record)))
    const places = placed.flatMap(one =>
      one.kind === 'placed' ? [{ field: one.place['field'] ?? '', value: one.place['value'] ?? '' }] : [],
    )
    if (places.length === 0) return placed as PutOutcome[]
    const read = await this.#system.read(places, Object.keys(this.#settings.fields), signal)
    return records.map((record, index) => {
      const one = placed[index]!
      if (one.kind !== 'placed') return one
      if (read.kind !== 'read') return read
      return this.#judgeOne(record, one.place['value'] ?? '', read.objects)
    })
  }

  #judgeOne(record: SentRecord, value: string, objects: ReadonlyMap<string, readonly ObjectThere[]>): Judged {
    const { object } = this.#system
    const [there, ...others] = objects.get(value) ?? []
    if (there === undefined)
      return { kind: 'refused', code: 'object_not_found', detail: `there is no ${object} ${value}` } // invariant 1
    if (others.length > 0)
      return {
        kind: 'refused',
        code: 'object_ambiguous',
        detail: `${others.length + 1} of ${object} are ${value}`,
      }
    const standing = readStanding(record)
    if (standing.kind !== 'ok') return standing
    const wanted = Object.fromEntries(
      Object.entries(this.#settings.fields).map(([field, fact]) => [field, factOf(standing.standing, fact)]),
    )
    const newer = this.#newerThere(wanted, there)
    if (newer !== undefined)
      return {
        kind: 'not_for_receiver',
        code: 'newer_there',
        detail: `${object} ${there.id} stands as of ${newer}`,
      } // 3
    const differing = Object.entries(wanted).filter(([field, fact]) => !isSame(fact, there.values[field]))
    if (differing.length === 0) return { kind: 'same', id: there.id }
    const words = differing.map(
      ([field, fact]) => `${field} ${shown(there.values[field])} -> ${shown(fact?.text)}`,
    )
    return {
      kind: 'change',
      change: { key: record.key, id: there.id, fields: Object.fromEntries(differing) },
      words: `would change ${object} ${there.id}: ${words.join('; ')}`,
    }
  }

  #newerThere(wanted: Wanted, { values }: ObjectThere): string | undefined {
    const field = Object.entries(this.#settings.fields).find(([, fact]) => fact === 'as_of')?.[0]
    if (field === undefined) return undefined
    const there = Date.parse(textOf(values[field]))
    return there > Date.parse(wanted[field]?.text ?? '') ? new Date(there).toISOString() : undefined
  }
}

/** Whether the value there says the same; numbers and instants are written in several ways. */
function isSame(fact: FactValue, there: unknown): boolean {
  const text = textOf(there)
  if (fact === null) return text === ''
  if (text === '') return false
  if (fact.type === 'number') return Number(text) === Number(fact.text)
  return fact.type === 'instant' ? Date.parse(text) === Date.parse(fact.text) : text === fact.text
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : ''
}

function shown(value: unknown): string {
  const text = textOf(value)
  return text === '' ? '(nothing)' : text.slice(0, 100)
}
