// Query builders over the embedded ClickHouse: kysely with its dialect for ClickHouse (@founderpath/kysely-clickhouse).

import { ClickHouseLogLevel } from '@clickhouse/client'
import { ClickhouseDialect } from '@founderpath/kysely-clickhouse'
import { type Dialect, type Generated, Kysely, sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServedClickhouse, serveClickhouse } from './clickhouse-clients.js'

interface Tables {
  readonly spend: {
    readonly id: string
    readonly customer: string
    readonly amount: string
    readonly at: Generated<string>
  }
}

let server: ServedClickhouse
let db: Kysely<Tables>

beforeAll(async () => {
  server = await serveClickhouse()
  const { user: username, password } = server.login
  const options = { url: server.url, username, password, database: 'default' }
  db = new Kysely<Tables>({
    // Its types are those of kysely's other module system; the code is the same.
    dialect: new ClickhouseDialect({
      options: { ...options, log: { level: ClickHouseLogLevel.OFF } },
    }) as unknown as Dialect,
  })
  await sql`CREATE TABLE spend (id UInt64, customer String, amount Decimal(38, 12), at DateTime DEFAULT '2026-01-02 03:04:05')
    ENGINE = MergeTree ORDER BY id`.execute(db)
})

afterAll(async () => {
  await db.destroy()
  await server.stop()
})

test('rows that the builder inserts come back with every digit', async () => {
  const amount = '99999999999999999999999999.999999999999'
  await db
    .insertInto('spend')
    .values([
      { id: '18446744073709551615', customer: "o'clock", amount },
      { id: '1', customer: 'b', amount: '0.1' },
    ])
    .execute()
  const rows = await db.selectFrom('spend').selectAll().where('customer', '=', "o'clock").execute()
  expect(rows).toEqual([
    { id: '18446744073709551615', customer: "o'clock", amount, at: '2026-01-02 03:04:05' },
  ])
})

test('groups, sums and a limit are built and answered', async () => {
  const rows = await db
    .selectFrom('spend')
    .select(({ fn }) => ['customer', fn.sum<string>('amount').as('total'), fn.countAll<string>().as('n')])
    .where('id', '<', '9')
    .groupBy('customer')
    .orderBy('customer')
    .limit(10)
    .execute()
  expect(rows).toEqual([{ customer: 'b', total: '0.1', n: '1' }])
})

test('the tables are found with their columns', async () => {
  const tables = await db.introspection.getTables()
  const spend = tables.find(table => table.name === 'spend')
  expect(spend?.columns.map(({ name, dataType }) => [name, dataType])).toContainEqual(['amount', 'Decimal'])
})
