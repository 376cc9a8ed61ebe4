// What Weir knows of one kind of connection: its name, its own settings, what its mapping may hold, and how its
// connector is made. pipeline/connections/kinds.ts lists all kinds; settings, `weir validate` and the tests read
// that list.
// Invariant: this file and every kind.ts load nothing heavy, because each command reads the settings. `open`
// imports the connector itself.

import type { z as Zod } from 'zod'
import type { Connector, Stopped } from './connector.js'
import type { CustomerIds, ExternalSystem } from './customer-ids.js'
import type { Limiter, Rate } from './http/limiter.js'
import type { MappingFields } from './mapping/mapping-fields.js'
import type { RecordMappings } from './mapping/record-mapping.js'
import type { TokenStore } from './oauth/token-store.js'

/** What is written back to systems of record that customers and cases are kept in, and not to books. */
export const writeBackChoices = ['customer_standings', 'support_cases'] as const
export type WriteBackChoice = (typeof writeBackChoices)[number]

/**
 * The feeds that a connection can have: journals and releases, summaries of both, the lines of billing batches, or what is
 * written back.
 */
export type RecordsChoice = 'journals' | 'batch_lines' | 'summaries' | WriteBackChoice

/** A secret is named by its file or variable and never stands in the configuration. */
export type SecretSource = { readonly file: string } | { readonly variable: string }
export type SecretRead = { readonly kind: 'ok'; readonly secret: string } | Stopped

export interface ConnectorParts {
  /** The name of the connection. */
  readonly connection: string
  /** What relative paths in the configuration are relative to. */
  readonly folder: string
  /** Reads a secret; called at each use, so that a replaced file counts. */
  readonly secret: (source: SecretSource) => SecretRead
  /** Values of a record in the receiver's terms; a kind without `fields` has none to ask for. */
  readonly mapping: RecordMappings
  readonly customerIds: CustomerIds
  /** Of a kind that writes back: the fields that may be written, such as `Account.Weir_Overdue__c`. */
  readonly allowedFields: readonly string[]
  /** Where a refresh token that changes with each use is kept, encrypted with a key that is derived from this secret. */
  readonly tokenStore: (key: () => SecretRead) => TokenStore
  /** The rate of the connection's settings, else that of its kind. */
  readonly limiter: Limiter
  readonly rate: Rate
  readonly nowMs: () => number
}

/** A zod type for each key of the kind's own settings. */
export type SettingsShape<S> = { readonly [K in keyof S]-?: Zod.ZodType<S[K]> }

export interface SettingsProblem {
  readonly path: readonly string[]
  readonly message: string
}

export interface ConnectorKind<S extends object = object> {
  /** As `kind` in the configuration. */
  readonly kind: string
  /** What it can be sent; the first is the default. */
  readonly records: readonly [RecordsChoice, ...RecordsChoice[]]
  /** Its own keys, without `records`, which each has; beside or instead of the shared ones (`name`, `entity`, `mapping`, `rate`, `mode`, …). */
  readonly settings: (
    z: typeof Zod,
  ) => SettingsShape<Omit<S, 'records'>> & Readonly<Record<string, Zod.ZodType>>
  /** The fields of its mapping file; absent: it has no mapping. */
  readonly fields?: MappingFields
  /** Which external id of a customer it knows, where the mapping's `customers` does not name the customer. */
  readonly customersAre?: ExternalSystem
  /** What holds when the settings have no `rate`. */
  readonly defaultRate?: Rate
  /** Of a kind that writes back: the fields that are written under these settings, as `allow.fields` names them. */
  writes?(settings: S): readonly string[]
  /** What is wrong with its settings for these records; undefined: nothing. */
  settingsProblem?(settings: S): SettingsProblem | undefined
  /** A setting that belongs to one connection alone, such as its folder. */
  readonly exclusive?: string
  /** What is wrong with the text of a secret; undefined: nothing. It must not contain the secret. */
  secretProblem?(secret: string): string | undefined
  open(settings: S, parts: ConnectorParts): Promise<Connector>
}
