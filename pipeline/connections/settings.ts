// The section `connections` of the configuration. Contract section 11. What all kinds share is here; each kind
// brings the rest (kinds.ts).
// Invariants: a key that is not built yet is refused, never ignored; the configuration names a secret's file
// or variable and never holds the secret.

import type { z as Zod } from 'zod'
import { nearestHint } from '../../schemas/nearest-name.js'
import {
  type ConnectorKind,
  type RecordsChoice,
  type WriteBackChoice,
  writeBackChoices,
} from '../../sinks/connector-kind.js'
import type { Rate } from '../../sinks/http/limiter.js'
import { rate } from '../../sinks/settings-parts.js'
import { unionOfKinds } from '../config/kind-union.js'
import type { SettingsSection } from '../config/setting.js'
import type { DeliveryClass, Rollout } from '../deliver/feed.js'
import { connectorKinds } from './kinds.js'

export interface ConnectionSettings {
  readonly name: string
  readonly kind: string
  /** Only the records of this legal entity are sent. */
  readonly entity?: string | undefined
  readonly records: RecordsChoice
  /** The mapping file, relative to the configuration file. */
  readonly mapping?: string | undefined
  readonly rate?: Rate | undefined
  /** How far it is let out; `controlled` has an allow-list. A command may set another mode (pipeline/flow). */
  readonly mode: Rollout['mode']
  readonly allow: Rollout['allow'] & { readonly fields?: readonly string[] | undefined }
  readonly class: DeliveryClass
  /** True: it begins without a log although its receiver has one of another name, or its own is lost (known-receivers.ts). */
  readonly begins_anew?: boolean | undefined
  /** Of support cases: which exceptions make one. Empty: every code, every owner. */
  readonly exceptions?: { readonly codes: readonly string[]; readonly owners: readonly string[] } | undefined
  /** When a record that fails while others get through is given up. */
  readonly attempts: { readonly most: number; readonly hours: number }
}

export const connectionsSettings: SettingsSection<readonly ConnectionSettings[]> = {
  name: 'connections',
  settings: [],
  schema: z =>
    z
      .array(unionOfKinds(z, connectorKinds, shared))
      .superRefine(refuseShared)
      .superRefine(refuseEmptyList)
      .superRefine(refuseTwoRates)
      .superRefine(refuseWriteBack)
      .default([]) as Zod.ZodType<readonly ConnectionSettings[]>,
}

/** How often what is written back is looked at. */
export const writeBackSettings: SettingsSection<{ readonly every_seconds: number }> = {
  name: 'write_back',
  settings: [],
  schema: z => z.strictObject({ every_seconds: z.number().min(1).max(86_400).default(30) }).prefault({}),
}

function shared(z: typeof Zod, { kind, records, fields }: ConnectorKind) {
  const names = z.array(z.string().min(1).max(256)).max(10_000)
  const writesBack = isWriteBack(records[0])
  return {
    name: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'up to 40 of a-z, 0-9, _ and -, the first a letter'),
    entity: z.string().min(1).optional(),
    records: z.enum(records).default(records[0]),
    mapping: mapping(z, kind, fields),
    rate: rate(z),
    schedule: z.never('comes with a later release; leave it out').optional(),
    // What is written back is shown first, and is not waited for when an incident ends.
    mode: z.enum(['read_only', 'controlled', 'automatic']).default(writesBack ? 'read_only' : 'automatic'),
    allow: z
      .strictObject({
        entities: names.default([]),
        customers: names.default([]),
        ...(writesBack ? { fields: names.default([]) } : {}),
      })
      .prefault({}),
    class: z.enum(['money', 'state', 'rest']).default(writesBack ? 'rest' : 'money'),
    ...(records.includes('support_cases') ? { exceptions: wantedExceptions(z) } : {}),
    begins_anew: z.boolean().optional(),
    attempts: z
      .strictObject({
        most: z.int().min(1).max(1_000).default(20),
        hours: z.number().positive().max(8_760).default(24),
      })
      .prefault({}),
  }
}

/** A kind with a field that every mapping must have needs the file; one without fields has no mapping. */
function mapping(z: typeof Zod, kind: string, fields: ConnectorKind['fields']) {
  if (fields === undefined) return z.never(`a connection of kind ${kind} has no mapping`).optional()
  const isNeeded = Object.values(fields).some(field => field.required)
  const file = z.string(`names the mapping file, with ${Object.keys(fields).join(', ')}`).min(1)
  return isNeeded ? file : file.optional()
}

type Context = { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void }

/** Refuses two connections with the same name, or with the same folder or other setting that one alone may have. */
function refuseShared(connections: readonly unknown[], context: Context): void {
  const seen = new Map<string, string>()
  for (const [index, connection] of (connections as readonly ConnectionSettings[]).entries()) {
    const { exclusive } = connectorKinds.find(({ kind }) => kind === connection.kind) ?? {}
    for (const field of ['name', ...(exclusive === undefined ? [] : [exclusive])]) {
      const value = (connection as unknown as Record<string, unknown>)[field]
      const owner = seen.get(`${field} ${value}`)
      const message = `is that of the connection ${owner} already`
      if (owner !== undefined) context.addIssue({ code: 'custom', path: [index, field], message })
      seen.set(`${field} ${value}`, connection.name)
    }
  }
}

/** Refuses a controlled connection that lets nobody's records out. */
function refuseEmptyList(connections: readonly unknown[], context: Context): void {
  for (const [index, { mode, allow }] of (connections as readonly ConnectionSettings[]).entries()) {
    if (mode !== 'controlled' || allow.entities.length + allow.customers.length > 0) continue
    const message = 'names the entities or the customers whose records go, with the mode controlled'
    context.addIssue({ code: 'custom', path: [index, 'allow'], message })
  }
}

/**
 * Refuses a connection that writes back and may not write what its settings say, and an allowance for what it does not write.
 * Read-only without an allow-list is how one begins.
 */
function refuseWriteBack(connections: readonly unknown[], context: Context): void {
  for (const [index, connection] of (connections as readonly ConnectionSettings[]).entries()) {
    if (!isWriteBack(connection.records)) continue
    const kind = connectorKinds.find(one => one.kind === connection.kind)
    const told = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path: [index, ...path], message })
    const problem = kind?.settingsProblem?.(connection)
    if (problem !== undefined) {
      told([...problem.path], problem.message)
      continue
    }
    const written = kind?.writes?.(connection) ?? []
    const { fields = [] } = connection.allow
    for (const field of fields.filter(one => !written.includes(one)))
      told(
        ['allow', 'fields'],
        `${field} is written by nothing of this connection${nearestHint(field, written)}`,
      )
    const missing = written.filter(one => !fields.includes(one))
    if (missing.length > 0 && (connection.mode !== 'read_only' || fields.length > 0))
      told(
        ['allow', 'fields'],
        `field_not_allowed: it does not name ${missing.join(', ')}, which this connection writes`,
      )
    if (connection.records === 'support_cases' && connection.entity !== undefined)
      told(['entity'], 'an exception is of no entity; leave it out')
  }
}

export function isWriteBack(records: RecordsChoice): records is WriteBackChoice {
  return (writeBackChoices as readonly RecordsChoice[]).includes(records)
}

function wantedExceptions(z: typeof Zod) {
  const names = z.array(z.string().min(1).max(256)).max(1_000).default([])
  return z.strictObject({ codes: names, owners: names }).prefault({})
}

/** Refuses two rates for one account: they share one limiter. */
function refuseTwoRates(connections: readonly unknown[], context: Context): void {
  const first = new Map<string, ConnectionSettings>()
  for (const [index, connection] of (connections as readonly ConnectionSettings[]).entries()) {
    const { kind, rate } = connection
    if (rate?.account === undefined) continue
    const other = first.get(`${kind} ${rate.account}`)
    first.set(`${kind} ${rate.account}`, other ?? connection)
    if (other === undefined || isSameRate(rate, other.rate ?? {})) continue
    const message = `has the account of the connection ${other.name}, and another rate; connections of one account share one rate`
    context.addIssue({ code: 'custom', path: [index, 'rate'], message })
  }
}

function isSameRate(a: Rate, b: Rate): boolean {
  return a.per_second === b.per_second && a.per_minute === b.per_minute && a.concurrent === b.concurrent
}
