// Rebuilds of a running Weir: damaged tables are mended while usage flows, a kill in the middle leaves the old table whole, and
// what LEDGER no longer holds is taken over only when it is right.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import type { JobView } from '../../jobs/job-record.js'
import type { RebuildReport } from '../../rebuild/rebuild-report.js'
import { settled } from './kill-run.js'
import { type Month, monthOf } from './month.js'
import { Producer } from './producer.js'

let weir: SupervisedWeir
let month: Month
let producer: Producer
let clickhouse: ClickHouseClient

beforeAll(async () => {
  month = await monthOf(6_000, 30)
  weir = await SupervisedWeir.start({ env: { WEIR_PARTITIONS: '2', WEIR_COMMIT_MAX_EVENTS: '200' } })
  await weir.ready()
  producer = new Producer(weir)
  await producer.send(month.opening, 1)
  await producer.send(month.usage.slice(0, 3_000), 2)
  await settled(weir)
  clickhouse = openClickHouse(weir.clickhouse)
}, 120_000)

afterAll(async () => {
  await clickhouse?.close()
  await weir?.stop()
}, 120_000)

interface Rebuilt {
  readonly job: JobView
  readonly report: RebuildReport
}

async function rebuilt(...tables: readonly string[]): Promise<Rebuilt> {
  const { stdout, stderr } = await weir.run('rebuild', 'clickhouse', '--table', ...tables, '--json')
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Rebuilt
}

const command = (query: string) => clickhouse.command({ query, clickhouse_settings: { mutations_sync: '2' } })

async function failedChecks(): Promise<string[]> {
  return (await settled(weir)).checks.filter(({ state }) => state === 'differs').map(({ check }) => check)
}

test('rows that were lost, doubled and changed are mended while usage flows, and reconcile finds nothing', async () => {
  await command(
    `ALTER TABLE rated_usage DELETE WHERE customer_id = (SELECT min(customer_id) FROM rated_usage)`,
  )
  await command(`INSERT INTO mrr_movements SELECT * FROM mrr_movements LIMIT 3`)
  await command(`ALTER TABLE subscription_versions UPDATE plan = 'another' WHERE sequence = 1`)
  expect(await failedChecks()).toContain('table_rated_usage')
  const flow = producer.send(month.usage.slice(3_000), 1)
  const { job, report } = await rebuilt('rated_usage', 'mrr_movements', 'subscription_versions', 'meters')
  expect(job).toMatchObject({ state: 'done', failure: null })
  await flow
  const found = new Map(report.tables.map(one => [one.table, one]))
  const usage = found.get('rated_usage')!
  expect(usage.rows_after).toBeGreaterThan(usage.rows_before)
  expect(found.get('mrr_movements')!.differences.length).toBeGreaterThan(0)
  expect(found.get('subscription_versions')!.differences[0]).toMatchObject({ has_other_values: true })
  expect(found.get('meters')!.differences).toEqual([])
  expect(await failedChecks()).toEqual([])
}, 120_000)

test('after a kill in the middle the old table is whole, and the job goes on', async () => {
  const { stdout } = await weir.run('rebuild', 'clickhouse', '--detach')
  const id = stdout.trim()
  const headers = { authorization: `Bearer ${weir.instance?.api_key ?? ''}` }
  const job = async () => (await (await fetch(`${weir.url}/v1/jobs/${id}`, { headers })).json()) as JobView
  while ((await job()).progress.done < 1) await sleep(20)
  weir.kill('weir')
  await weir.ready()
  await clickhouse.close()
  clickhouse = openClickHouse(weir.clickhouse)
  const watched = await weir.run('jobs', 'watch', id, '--json')
  expect(JSON.parse(watched.stdout)).toMatchObject({ state: 'done', failure: null })
  const { report } = JSON.parse((await weir.run('jobs', 'report', id)).stdout) as { report: RebuildReport }
  expect(report.waiting).toEqual([])
  for (const { table, differences } of report.tables) expect([table, differences]).toEqual([table, []])
  expect(await failedChecks()).toEqual([])
  const left = `SELECT count() AS n FROM system.tables WHERE database = 'weir' AND startsWith(name, 'rebuild_')`
  expect(await (await clickhouse.query({ query: left, format: 'JSONEachRow' })).json()).toEqual([{ n: '0' }])
}, 120_000)

test('what LEDGER no longer holds is taken over when it is right, and refused when it is not', async () => {
  const nc = await connect({ ...weir.nats })
  const jsm = await jetstreamManager(nc)
  for (const partition of [0, 1]) {
    const { state } = await jsm.streams.info('LEDGER')
    const middle = Math.floor(state.last_seq / 2)
    const query = { seq: middle, next_by_subj: `ledger.${partition}.state` }
    const found = await jsm.streams.getMessage('LEDGER', query)
    await jsm.streams.purge('LEDGER', { filter: `ledger.${partition}.>`, seq: found!.seq })
  }
  await nc.close()
  const { job, report } = await rebuilt('rated_usage')
  expect(job).toMatchObject({ state: 'done', failure: null })
  expect(report.tables[0]!.differences).toEqual([])
  await command(
    `ALTER TABLE rated_usage DELETE WHERE ledger_sequence = (SELECT min(ledger_sequence) FROM rated_usage)`,
  )
  const refused = await rebuilt('rated_usage')
  expect(refused.job).toMatchObject({ state: 'failed', failure: { code: 'ledger_purged' } })
  expect(refused.report.waiting).toEqual(['rated_usage'])
}, 120_000)
