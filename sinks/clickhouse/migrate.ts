// Brings the database to the schema of this program: the SQL files of `migrations/`, in order, each once.
// Invariants:
// 1. A statement may run twice without harm (IF NOT EXISTS, OR REPLACE), so running a file again repairs a
//    crash inside it, or two processes at once. The file is recorded after its last statement.
// 2. A file that was applied never changes: other content under its name is refused.
// 3. A database that a newer Weir has migrated is refused.
// Tables are named without a database, which the client's session gives. A statement ends with `;` at a
// line's end.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { packageRoot } from '../../schemas/package-root.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'

export interface Migration {
  readonly name: string
  readonly sha256: string
  readonly statements: readonly string[]
}

export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused'
}

/** Returns the names of the files that were applied now; none if the schema was current. */
export async function migrate(
  config: ClickHouseConfig,
  migrations?: readonly Migration[],
): Promise<string[]> {
  const wanted = migrations ?? (await readMigrations())
  await createDatabase(config)
  const client = openClickHouse(config)
  try {
    await client.command({ query: recordTable })
    const applied = await readApplied(client)
    refuseForeign(applied, wanted)
    const missing = wanted.filter(migration => !applied.has(migration.name))
    for (const { name, sha256, statements } of missing) {
      for (const query of statements) await client.command({ query })
      await client.insert({ table: 'schema_migrations', values: [{ name, sha256 }], format: 'JSONEachRow' })
    }
    return missing.map(migration => migration.name)
  } finally {
    await client.close()
  }
}

export async function readMigrations(
  folder = new URL('sinks/clickhouse/migrations/', packageRoot),
): Promise<Migration[]> {
  const names = (await readdir(folder)).filter(name => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, folder), 'utf8')
      const sha256 = createHash('sha256').update(text).digest('hex')
      return { name, sha256, statements: splitStatements(text) }
    }),
  )
}

const recordTable = `CREATE TABLE IF NOT EXISTS schema_migrations
(name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY name`

async function createDatabase(config: ClickHouseConfig): Promise<void> {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(config.database))
    throw new MigrationRefused(`${JSON.stringify(config.database)} is no name for a database`)
  const client = openClickHouse(config, 'default')
  try {
    await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${config.database}` })
  } finally {
    await client.close()
  }
}

async function readApplied(client: ClickHouseClient): Promise<Map<string, string>> {
  const query = 'SELECT name, any(sha256) AS sha256 FROM schema_migrations GROUP BY name'
  const rows = await (await client.query({ query, format: 'JSONEachRow' })).json<{
    name: string
    sha256: string
  }>()
  return new Map(rows.map(row => [row.name, row.sha256]))
}

function refuseForeign(applied: ReadonlyMap<string, string>, wanted: readonly Migration[]): void {
  for (const [name, sha256] of applied) {
    const known = wanted.find(migration => migration.name === name)
    if (known === undefined)
      throw new MigrationRefused(`the database holds migration ${name}, which this program does not know`)
    if (known.sha256 !== sha256)
      throw new MigrationRefused(`migration ${name} was applied with another content`)
  }
}

function splitStatements(text: string): string[] {
  return text
    .replaceAll(/^--.*$/gm, '')
    .split(/;\s*$/m)
    .map(statement => statement.trim())
    .filter(statement => statement !== '')
}
