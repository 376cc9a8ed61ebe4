// For tests: one embedded ClickHouse, and the official JavaScript client for Node and for the web as its users make them.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ClickHouseClient,
  ClickHouseLogLevel,
  createClient,
  SettingsMap,
  TupleParam,
} from '@clickhouse/client'
import * as web from '@clickhouse/client-web'
import { startEmbeddedClickhouse } from '../../../deploy/embedded/clickhouse-server.js'

export type Options = NonNullable<Parameters<typeof createClient>[0]>

export interface ServedClickhouse {
  readonly url: string
  readonly login: { readonly user: string; readonly password: string }
  /** Reads the database `weir` and nothing else. */
  readonly analyst: { readonly user: string; readonly password: string }
  stop(): Promise<void>
}

export async function serveClickhouse(): Promise<ServedClickhouse> {
  const dataDir = await mkdtemp(join(tmpdir(), 'weir-clients-'))
  const server = await startEmbeddedClickhouse({ dataDir })
  const stop = async () => {
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  return { url: server.url, login: server.login, analyst: server.analyst, stop }
}

export interface ClientPackage {
  readonly name: string
  readonly create: (options: Options) => ClickHouseClient
  readonly SettingsMap: typeof SettingsMap
  readonly TupleParam: typeof TupleParam
}

/** The two packages share the part of their interface that is used here; the streams differ and both can be iterated. */
export const packages: readonly ClientPackage[] = [
  { name: '@clickhouse/client', create: createClient, SettingsMap, TupleParam },
  {
    name: '@clickhouse/client-web',
    create: options => web.createClient(options as never) as unknown as ClickHouseClient,
    SettingsMap: web.SettingsMap as unknown as typeof SettingsMap,
    TupleParam: web.TupleParam as unknown as typeof TupleParam,
  },
]

export function optionsFor({ url, login }: ServedClickhouse, more: Options = {}): Options {
  const { user: username, password } = login
  return { url, username, password, log: { level: ClickHouseLogLevel.OFF }, ...more }
}

/** The rows of a stream, of either client. */
export async function streamed<T>(stream: AsyncIterable<readonly { json(): unknown }[]>): Promise<T[]> {
  const rows: T[] = []
  for await (const part of stream) for (const row of part) rows.push(row.json() as T)
  return rows
}
