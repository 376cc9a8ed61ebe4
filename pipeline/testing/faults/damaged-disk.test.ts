// Runs `weir reconcile` over ClickHouse files that were damaged while it was down, and over rows that were
// stored twice: the report names the table, and its other lines still hold.

import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { insertArrow } from '../../../sinks/clickhouse/insert.js'
import { RowsFolder } from '../../../sinks/clickhouse/rows-folder.js'
import type { Check, ReconcileReport } from '../../reconcile/report.js'
import { settled } from './kill-run.js'
import { monthOf } from './month.js'
import { Producer } from './producer.js'

const generousMs = 300_000

let weir: SupervisedWeir
let whole: ReconcileReport

beforeAll(async () => {
  const month = await monthOf(2_000, 20)
  weir = await SupervisedWeir.start()
  await weir.ready()
  const producer = new Producer(weir)
  await producer.send(month.opening, 1)
  await producer.send(month.usage, 2)
  whole = await settled(weir)
  expect(whole.ok).toBe(true)
}, generousMs)

afterAll(async () => {
  await weir?.stop()
}, generousMs)

async function withClickHouse<T>(work: (clickhouse: ClickHouseClient) => Promise<T>): Promise<T> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    return await work(clickhouse)
  } finally {
    await clickhouse.close()
  }
}

/** The largest data file of every part of usage, or of the largest part that is in use. */
async function dataFiles(which: 'all' | 'largest'): Promise<string[]> {
  const query = `SELECT path FROM system.parts WHERE database = currentDatabase() AND table = 'rated_usage'
    ${which === 'all' ? '' : 'AND active ORDER BY rows DESC LIMIT 1'}`
  const parts = await withClickHouse(async clickhouse => {
    const result = await clickhouse.query({ query, format: 'JSONEachRow' })
    return result.json<{ path: string }>()
  })
  const files = await Promise.all(
    parts.map(async ({ path }) => {
      const names = (await readdir(path)).filter(name => name.endsWith('.bin')).sort()
      return names.slice(0, 1).map(name => join(path, name))
    }),
  )
  return files.flat()
}

async function whileDown(work: () => Promise<void>): Promise<void> {
  expect(await weir.end()).toBe(0)
  await work()
  weir.startAgain()
  await weir.ready()
}

interface Found {
  readonly report: ReconcileReport
  /** Of the table `rated_usage`. */
  readonly usage: Check
}

/** Of a system that has something wrong. */
async function found(): Promise<Found> {
  const { code, stdout, stderr } = await weir.run('reconcile', '--json')
  expect(stdout, stderr).not.toBe('')
  const report = JSON.parse(stdout) as ReconcileReport
  expect([code, report.ok]).toEqual([1, false])
  const names = report.checks.map(one => one.check)
  expect(names).toEqual(expect.arrayContaining(whole.checks.map(one => one.check)))
  for (const name of ['table_subscription_versions', 'dispositions', 'conservation', 'mrr_versions'])
    expect(report.checks.find(one => one.check === name)).toMatchObject({ state: 'agrees' })
  return { report, usage: report.checks.find(one => one.check === 'table_rated_usage')! }
}

test(
  'a message of the ledger that is inserted again under another token is found as doubled',
  async () => {
    const nc = await connect(weir.nats)
    try {
      const jsm = await jetstreamManager(nc)
      const query = { seq: 1, next_by_subj: 'ledger.*.rated_usage' }
      const message = await jsm.streams.getMessage('LEDGER', query)
      const folder = new RowsFolder({ url: '', user: '', password: '' })
      folder.giveUp()
      await withClickHouse(async clickhouse => {
        await clickhouse.command({
          query: 'CREATE TABLE kept AS rated_usage ENGINE = MergeTree ORDER BY tuple()',
        })
        await clickhouse.command({ query: 'INSERT INTO kept SELECT * FROM rated_usage' })
        const parts = [message!.data]
        expect(
          await insertArrow(clickhouse, folder, { table: 'rated_usage', parts, token: 'x' }),
        ).toBeGreaterThan(0)
      })
    } finally {
      await nc.close()
    }
    const { usage } = await found()
    expect(usage).toMatchObject({ state: 'differs' })
    expect(usage.differences.map(one => one.detail).join('\n')).toMatch(
      /rows too many[\s\S]*doubled: event_id /,
    )
    await withClickHouse(async clickhouse => {
      await clickhouse.command({ query: 'TRUNCATE TABLE rated_usage' })
      await clickhouse.command({
        query: 'INSERT INTO rated_usage SELECT * FROM kept SETTINGS insert_deduplicate = 0',
      })
      await clickhouse.command({ query: 'DROP TABLE kept' })
    })
    expect((await settled(weir)).ok).toBe(true)
  },
  generousMs,
)

/** Undoes what the test of flipped bytes did. */
let mend = async (): Promise<void> => {}

test(
  'flipped bytes of a part make its table unreadable by name, with what else can be told',
  async () => {
    const [file] = await dataFiles('largest')
    const bytes = await readFile(file!)
    const flipped = Buffer.from(bytes)
    for (let at = 0; at < bytes.length; at += 64) flipped[at]! ^= 0xff // every column has some
    await whileDown(() => writeFile(file!, flipped))
    const { report, usage } = await found()
    expect(usage).toMatchObject({ state: 'unreadable', differences: [{ id: 'table_rated_usage' }] })
    expect(usage.differences[0]!.detail).toMatch(/^weir\.rated_usage, part \d+_\d+_\d+_\d+: /)
    expect(report.partitions).toEqual(whole.partitions)
    expect(report.totals).toEqual([])
    expect(report.checks.find(one => one.check === 'totals')).toMatchObject({ state: 'unreadable' })
    mend = () => writeFile(file!, bytes)
  },
  generousMs,
)

test(
  'a part with a file cut short is named with the rows that went with it',
  async () => {
    const files = await dataFiles('all') // the parts that it was merged from too, which would be taken in its stead
    await whileDown(async () => {
      await mend()
      for (const file of files) await truncate(file, 10).catch(() => undefined) // or it is gone by now
    })
    const { report, usage } = await found()
    expect(usage).toMatchObject({ state: 'differs' })
    expect(usage.differences[0]!.detail).toMatch(/rows lost/)
    const parts = report.checks.find(one => one.check === 'clickhouse_parts')!
    expect(parts.state).toBe('differs')
    expect(parts.differences[0]).toMatchObject({
      expected: 'attached',
      found: expect.stringMatching(/^broken/),
    })
    expect(parts.differences[0]!.id).toMatch(/^rated_usage, part /)
  },
  generousMs,
)
