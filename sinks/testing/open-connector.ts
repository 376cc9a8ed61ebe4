// Opens a connector of a kind as Weir does, from settings as they stand in a configuration, with secrets, a mapping and
// customers' ids given as values.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Connector, Stopped } from '../connector.js'
import type { ConnectorKind, ConnectorParts, RecordsChoice, SecretSource } from '../connector-kind.js'
import type { ExternalIds } from '../customer-ids.js'
import { limiterOf, type Rate } from '../http/limiter.js'
import { MappingOfFile } from '../mapping/record-mapping.js'
import type { KeptToken, TokenStore } from '../oauth/token-store.js'

export interface TestParts {
  /** By the variable that the settings name. */
  readonly secrets: Readonly<Record<string, string>>
  /** The text of the mapping file. */
  readonly mapping?: string
  readonly customers?: Readonly<Record<string, ExternalIds>>
  /** One that outlives the connector; default: a new one. */
  readonly tokenStore?: TokenStore
  readonly nowMs: () => number
  /** Of a kind that writes back; default: what it writes. */
  readonly allowedFields?: readonly string[]
  /** Instead of the rate of the kind, which waits in real time. */
  readonly rate?: Rate
}

export function openConnector<S extends object>(
  kind: ConnectorKind<S>,
  settings: Readonly<Record<string, unknown>>,
  given: TestParts,
): Promise<Connector> {
  const schema = z.object(kind.settings(z) as Record<string, z.ZodType>)
  const parsed = schema.parse(settings) as unknown as S
  const records = (settings['records'] ?? kind.records[0]) as RecordsChoice
  const whole = { ...parsed, records }
  const allowedFields = given.allowedFields ?? kind.writes?.(whole) ?? []
  return kind.open(whole, { ...partsForTest(kind, given), allowedFields })
}

/** Settings of a connection that writes back all that they say. */
export function allAllowed<S extends object>(
  kind: ConnectorKind<S>,
  settings: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const parsed = z.object(kind.settings(z) as Record<string, z.ZodType>).parse(settings) as unknown as S
  const records = (settings['records'] ?? kind.records[0]) as RecordsChoice
  const fields = kind.writes?.({ ...parsed, records }) ?? []
  return { ...settings, mode: 'automatic', allow: { fields } }
}

export function partsForTest(kind: ConnectorKind, given: TestParts): ConnectorParts {
  const { secrets, mapping, customers = {}, tokenStore = storeInMemory(), nowMs } = given
  const { fields = {}, customersAre, defaultRate = {} } = kind
  const { rate = defaultRate } = given
  const customerIds = { of: async (id: string) => customers[id] ?? {} }
  const file = mapping === undefined ? undefined : fileWith(mapping)
  return {
    connection: 'c',
    folder: tmpdir(),
    secret: (source: SecretSource) => {
      const name = 'variable' in source ? source.variable : source.file
      const secret = secrets[name]
      const missing: Stopped = { kind: 'stopped', code: 'credentials_missing', detail: `no secret ${name}` }
      return secret === undefined ? missing : { kind: 'ok', secret }
    },
    mapping: new MappingOfFile({ file, fields, customersAre, customerIds }),
    customerIds,
    allowedFields: given.allowedFields ?? [],
    tokenStore: () => tokenStore,
    limiter: limiterOf(rate),
    rate,
    nowMs,
  }
}

const written = new Map<string, string>()
let folder: string | undefined

/** One file per text, in a folder that goes with the process. */
function fileWith(text: string): string {
  const known = written.get(text)
  if (known !== undefined) return known
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'weir-mapping-'))
    folder = made
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  }
  const file = join(folder, `mapping-${written.size}.yaml`)
  writeFileSync(file, text)
  written.set(text, file)
  return file
}

export function storeInMemory(): TokenStore {
  let [kept, revision]: [KeptToken | undefined, number] = [undefined, 0]
  return {
    read: async () => ({ kept, revision }),
    write: async (next, on) => {
      if (on !== revision) return false
      ;[kept, revision] = [next, revision + 1]
      return true
    },
  }
}
