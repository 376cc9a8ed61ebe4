// The section `connections` of the configuration. Contract section 11.
// Invariants: a key that is not built yet is refused, never ignored; the configuration names a secret's file
// or variable and never holds the secret.

import type { z as Zod } from 'zod'
import { type FileFormat, fileFormats } from '../../sinks/files/config.js'
import type { SettingsSection } from '../config/setting.js'
import type { DeliveryClass, Rollout } from '../deliver/feed.js'

export type SecretSource = { readonly file: string } | { readonly variable: string }

interface SharedSettings {
  readonly name: string
  /** Only the records of this legal entity are sent. */
  readonly entity?: string | undefined
  readonly records: 'journals' | 'batch_lines'
  /** How far it is let out; `controlled` has an allow-list. A command may set another mode (pipeline/flow). */
  readonly mode: Rollout['mode']
  readonly allow: Rollout['allow']
  readonly class: DeliveryClass
}

export interface WebhookSettings extends SharedSettings {
  readonly kind: 'webhook'
  readonly url: string
  /** Two secrets while one is being replaced by the other. */
  readonly auth: { readonly secrets: readonly SecretSource[] }
  readonly rate?: { readonly per_second: number } | undefined
}

export interface FileSettings extends SharedSettings {
  readonly kind: 'file'
  /** Belongs to this connection alone. */
  readonly folder: string
  readonly format: FileFormat
}

export type ConnectionSettings = WebhookSettings | FileSettings

export const connectionsSettings: SettingsSection<readonly ConnectionSettings[]> = {
  name: 'connections',
  settings: [],
  schema: z =>
    z
      .array(
        z.discriminatedUnion(
          'kind',
          [webhook(z), file(z)],
          'is webhook or file; other kinds come with later releases',
        ),
      )
      .superRefine(refuseShared)
      .superRefine(refuseEmptyList)
      .default([]),
}

function shared(z: typeof Zod) {
  const names = z.array(z.string().min(1).max(256)).max(10_000)
  const announced = z.never('comes with a later release; leave it out').optional()
  return {
    name: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'up to 40 of a-z, 0-9, _ and -, the first a letter'),
    entity: z.string().min(1).optional(),
    records: z.enum(['journals', 'batch_lines']).default('journals'),
    mapping: announced,
    schedule: announced,
    mode: z.enum(['read_only', 'controlled', 'automatic']).default('automatic'),
    allow: z.strictObject({ entities: names.default([]), customers: names.default([]) }).prefault({}),
    class: z.enum(['money', 'state', 'rest']).default('money'),
  }
}

function webhook(z: typeof Zod) {
  const secret = z.union(
    [z.strictObject({ file: z.string().min(1) }), z.strictObject({ variable: z.string().regex(/^\w+$/) })],
    'a secret is named by { file: … } or { variable: … }',
  )
  return z.strictObject({
    ...shared(z),
    kind: z.literal('webhook'),
    url: z
      .url({ protocol: /^https?$/ })
      .refine(url => !url.includes('@'), 'no credentials here: a webhook is signed with auth.secrets'),
    auth: z.strictObject({ secrets: z.array(secret).min(1).max(2) }),
    rate: z.strictObject({ per_second: z.int().min(1).max(1_000) }).optional(),
  })
}

function file(z: typeof Zod) {
  return z.strictObject({
    ...shared(z),
    kind: z.literal('file'),
    folder: z.string().min(1),
    format: z.enum(fileFormats),
    url: z.never('a file connection has a folder').optional(),
    auth: z.never('a file connection has no credentials').optional(),
    rate: z.never('a file connection has no rate').optional(),
  })
}

/** Refuses two connections with the same name or the same folder. */
function refuseShared(
  connections: readonly ConnectionSettings[],
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const seen = new Map<string, string>()
  for (const [index, connection] of connections.entries()) {
    const taken: [string, string][] = [['name', connection.name]]
    if (connection.kind === 'file') taken.push(['folder', connection.folder])
    for (const [field, value] of taken) {
      const owner = seen.get(`${field} ${value}`)
      const message = `is that of the connection ${owner} already`
      if (owner !== undefined) context.addIssue({ code: 'custom', path: [index, field], message })
      seen.set(`${field} ${value}`, connection.name)
    }
  }
}

/** Refuses a controlled connection that lets nobody's records out. */
function refuseEmptyList(
  connections: readonly ConnectionSettings[],
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  for (const [index, { mode, allow }] of connections.entries()) {
    if (mode !== 'controlled' || allow.entities.length + allow.customers.length > 0) continue
    const message = 'names the entities or the customers whose records go, with the mode controlled'
    context.addIssue({ code: 'custom', path: [index, 'allow'], message })
  }
}
