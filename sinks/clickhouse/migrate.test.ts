// The schema on a real engine: its columns, its settings, made by two at once.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { clickhouseType } from '../../schemas/table-description.js'
import { tables } from '../../schemas/tables.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { type Migration, migrate, readMigrations } from './migrate.js'

let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-migrate-'))
  server = await startEmbeddedClickhouse({ dataDir })
})

afterAll(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const configOf = (database: string): ClickHouseConfig => ({
  url: server.url,
  ...server.login,
  database,
})

async function inDatabase<T>(database: string, work: (client: ClickHouseClient) => Promise<T>): Promise<T> {
  const client = openClickHouse(configOf(database))
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

const rowsOf = async <T>(client: ClickHouseClient, query: string): Promise<T[]> =>
  (await client.query({ query, format: 'JSONEachRow' })).json<T>()

test('the tables have exactly the columns of their descriptions, in order', async () => {
  await migrate(configOf('weir'))
  await inDatabase('weir', async client => {
    for (const table of tables) {
      const query = `SELECT name, type FROM system.columns WHERE database = 'weir' AND table = '${table.name}' ORDER BY position`
      const wanted = table.columns.map(({ name, kind }) => ({ name, type: clickhouseType(kind) }))
      expect(await rowsOf(client, query), table.name).toEqual(wanted)
    }
  })
})

test('every table remembers the tokens of its inserts', async () => {
  await migrate(configOf('weir'))
  await inDatabase('weir', async client => {
    const query = `SELECT name FROM system.tables WHERE database = 'weir' AND engine = 'MergeTree' AND name != 'schema_migrations'
      AND create_table_query LIKE '%non_replicated_deduplication_window = 10000%'`
    const names = (await rowsOf<{ name: string }>(client, query)).map(row => row.name)
    expect(names.sort()).toEqual(tables.map(table => table.name as string).sort())
  })
})

test('a second run, and two at once, change nothing', async () => {
  const all = (await readMigrations()).map(migration => migration.name)
  expect((await Promise.all([migrate(configOf('twice')), migrate(configOf('twice'))])).flat()).toEqual(
    expect.arrayContaining(all),
  )
  expect(await migrate(configOf('twice'))).toEqual([])
})

const migration = (name: string, ...statements: string[]): Migration => ({
  name,
  statements,
  sha256: statements.join(),
})
const one = migration(
  '0001_one.sql',
  'CREATE TABLE IF NOT EXISTS one (x UInt8) ENGINE = MergeTree ORDER BY x',
)

test('a file that failed half-way is run again from its beginning', async () => {
  const table = 'CREATE TABLE IF NOT EXISTS two (x UInt8) ENGINE = MergeTree ORDER BY x'
  const broken = migration('0002_two.sql', table, 'CREATE VIEW three AS SELECT * FROM nowhere')
  await expect(migrate(configOf('half'), [one, broken])).rejects.toThrow(/nowhere/)
  const mended = migration('0002_two.sql', table, 'CREATE OR REPLACE VIEW three AS SELECT * FROM two')
  expect(await migrate(configOf('half'), [one, mended])).toEqual(['0002_two.sql'])
})

test('a changed file and a newer schema are refused', async () => {
  await migrate(configOf('newer'), [one, migration('0002_two.sql', 'SELECT 1')])
  await expect(migrate(configOf('newer'), [one])).rejects.toThrow(
    /0002_two.sql, which this program does not know/,
  )
  const changed = { ...one, sha256: 'another' }
  await expect(migrate(configOf('newer'), [changed, migration('0002_two.sql', 'SELECT 1')])).rejects.toThrow(
    /0001_one.sql was applied with another content/,
  )
  await expect(migrate(configOf('a b; DROP'), [one])).rejects.toThrow(/no name for a database/)
})
