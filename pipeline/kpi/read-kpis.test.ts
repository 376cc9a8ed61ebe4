// The figures of a role on a real ClickHouse: values, targets, what is not known; as the command prints them and as metrics.

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { Gauge, Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import type { ApiCall } from '../gateway/route.js'
import type { CliIo } from '../terminal/io.js'
import { figureNames, figures } from './figures.js'
import { registerKpiGauges } from './gauges.js'
import { kpiCommand } from './kpi-command.js'
import { type KpiReader, readKpis } from './read-kpis.js'
import { listOf } from './roles.js'
import { kpiRoute } from './routes.js'
import type { Targets } from './settings.js'

let dataDir: string
let server: EmbeddedClickhouse
let queries: ClickHouseClient
let reader: KpiReader
const registry = new Registry()
const troubles: unknown[] = []
const targets = Object.fromEntries(figureNames.map(name => [name, figures[name].target])) as Targets

async function insert(table: string, values: readonly object[]): Promise<void> {
  const settings = { date_time_input_format: 'best_effort' } as const
  await queries.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-kpi-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  queries = openClickHouse(config)
  reader = { queries, registry, targets }
  const nowMs = Date.now()
  const at = (secondsAgo: number) => new Date(nowMs - secondsAgo * 1_000).toISOString()
  const paid = { status: 'succeeded', currency: 'EUR', event_time: at(7_200) }
  await insert('payments', [
    { ...paid, payment_id: 'p1', amount: '100.10' },
    { ...paid, payment_id: 'p2', amount: '50', invoice_id: 'i1' },
    { ...paid, payment_id: 'p3', amount: '7', currency: 'JPY' },
    { ...paid, payment_id: 'old', amount: '9', event_time: at(20 * 86_400) },
  ])
  await insert('invoices', [
    { invoice_id: 'i1', status: 'finalized', currency: 'EUR', total: '50', event_time: at(9_000) },
    { invoice_id: 'i1', status: 'paid', currency: 'EUR', event_time: at(3_600) },
  ])
  const letter = { event_source: 's', event_type: 't', recorded_at: at(60) }
  await insert('dead_letters', [
    { ...letter, event_id: '1', code: 'invalid_value', event_count: 1 },
    { ...letter, event_id: '2', code: 'invalid_value', event_count: 1 },
    { ...letter, event_id: '2', code: 'invalid_value', event_count: -1 },
  ])
})

afterAll(async () => {
  await queries.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

test('a role sees its list: exact values, targets kept and missed, and what is not known', async () => {
  const kpis = await readKpis(reader, listOf.finance, 7)
  const by = (name: string) => kpis.filter(({ kpi }) => kpi === name)
  expect(by('unapplied_cash')).toMatchObject([
    { currency: 'EUR', value: '100.1', out_of: '150.1', target: '0', on_target: false },
    { currency: 'JPY', value: '7', out_of: '7', on_target: false },
  ])
  expect(by('payment_to_cash_seconds')).toMatchObject([
    { value: '3600', worst: '3600', out_of: '1', target: '86400', on_target: true, not_known: '' },
  ])
  expect(by('tax_exceptions')).toMatchObject([{ value: null, on_target: null }])
  expect(by('tax_exceptions')[0]!.not_known).toContain('nothing yet of')
  expect(new Set(kpis.map(({ kpi }) => kpi))).toEqual(new Set(listOf.finance))
  const month = await readKpis(reader, ['unapplied_cash'], 30)
  expect(month[0]).toMatchObject({ currency: 'EUR', value: '109.1' })
})

test('weir kpi prints the list of a role as the route answers it: value, target, what is off and what is not known', async () => {
  const route = kpiRoute(reader)
  const door = createServer(async ({ url = '' }, response) => {
    const query = Object.fromEntries(new URL(url, 'http://weir').searchParams)
    const call = { params: {}, query, headers: {} } as unknown as ApiCall
    const { body } = await route.handle(call)
    response.end(JSON.stringify(body))
  })
  await once(door.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = door.address() as AddressInfo
    const gateway = { url: `http://127.0.0.1:${port}`, apiKey: undefined }
    let text = ''
    const io = {
      stdout: { write: (part: string) => (text += part) },
      stderr: process.stderr,
    } as unknown as CliIo
    expect(await kpiCommand({ gateway, json: false, role: 'finance', days: 7 }, io)).toBe(0)
    expect(text).toMatch(/unapplied_cash +100\.1 EUR +0 +OFF +cash without an invoice/)
    expect(text).toMatch(/payment_to_cash_seconds +3600 s +3600 +86400 +ok/)
    expect(text).toMatch(/tax_exceptions +not known +0 +nothing yet of: refusals/)
    expect(text).not.toContain('partition_lag_seconds')
  } finally {
    door.close()
  }
})

test('a figure of the process is the sum or the greatest of its series, and unknown without one', async () => {
  const gauge = new Gauge({
    name: 'weir_sink_lag_seconds',
    help: 'h',
    labelNames: ['feed'],
    registers: [registry],
  })
  gauge.set({ feed: 'a' }, 2.5)
  gauge.set({ feed: 'b' }, 400)
  const kpis = await readKpis(reader, ['sink_lag_seconds', 'partitions_stopped'], 7)
  expect(kpis).toMatchObject([
    { kpi: 'sink_lag_seconds', value: '400', on_target: false },
    { kpi: 'partitions_stopped', value: null, on_target: null },
  ])
})

test('the metrics tell the figures, which roles miss a target, and dead letters by code; none of what is not known', async () => {
  registerKpiGauges(registry, reader, error => troubles.push(error))
  const text = await untilText('weir_dead_letters_open{code="invalid_value"} 1')
  expect(text).toContain('weir_kpi_money{kpi="unapplied_cash",currency="EUR"} 100.1')
  expect(text).toContain('weir_kpi_seconds{kpi="payment_to_cash_seconds"} 3600')
  expect(text).toContain('weir_kpi_off_target{kpi="unapplied_cash",role="finance"} 1')
  expect(text).toContain('weir_kpi_off_target{kpi="payment_to_cash_seconds",role="finance"} 0')
  expect(text).not.toContain('kpi="days_to_close"')
  expect(troubles).toEqual([])
})

/** The first request may answer before the reading is done. */
async function untilText(wanted: string): Promise<string> {
  for (;;) {
    const text = await registry.metrics()
    if (text.includes(wanted) && text.includes('weir_kpi_money{')) return text
  }
}
