// Canaries of `weir reconcile`: a running Weir is consistent at any moment. Then its tables are falsified, in waves of one
// falsification per table; reconcile must find and name each, and each wave is undone before the next.

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import type { ReconcileReport } from '../../reconcile/report.js'
import { settled } from './kill-run.js'
import { type Month, monthOf } from './month.js'
import { Producer } from './producer.js'

const generousMs = 600_000

let weir: SupervisedWeir
let month: Month
let clickhouse: ClickHouseClient
/** Reports made while usage was flowing. */
const inTraffic: ReconcileReport[] = []

async function reconciled(): Promise<ReconcileReport> {
  const { stdout, stderr } = await weir.run('reconcile', '--json')
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as ReconcileReport
}

beforeAll(async () => {
  month = await monthOf(6_000, 60)
  weir = await SupervisedWeir.start({ env: { WEIR_COMMIT_MAX_EVENTS: '200' } })
  await weir.ready()
  const producer = new Producer(weir)
  await producer.send(month.opening, 1)
  let isFlowing = true
  const flow = producer.send(month.usage, 2).finally(() => {
    isFlowing = false
  })
  while (isFlowing) inTraffic.push(await reconciled())
  await flow
  await producer.send(month.amendments, 1)
  await producer.send(month.stragglers, 1)
  await settled(weir)
  const cutoff = formatInstantMs(month.scenario.untilMs)
  await weir.run('billing-run', 'create', '--cutoff', cutoff, '--wait', '--json')
  await settled(weir)
  clickhouse = openClickHouse(weir.clickhouse)
}, generousMs)

afterAll(async () => {
  await clickhouse?.close()
  await weir?.stop()
}, generousMs)

test(
  'an untouched system agrees, in the middle of traffic, at rest, and after a kill of everything',
  async () => {
    expect(inTraffic.length).toBeGreaterThan(0)
    const atRest = await reconciled()
    for (const report of [...inTraffic, atRest]) {
      expect(
        report.checks.filter(check => check.state !== 'agrees' && check.state !== 'not_checked'),
      ).toEqual([])
      expect(report.ok).toBe(true)
    }
    // When nothing flows, no check is left out, and every check that agrees has compared something.
    expect(atRest.checks.filter(check => check.state !== 'agrees')).toEqual([])
    const compared = new Map(atRest.checks.map(check => [check.check, check.compared]))
    for (const name of ['owed_rated', 'table_rated_usage', 'table_charges', 'rated_charged']) {
      expect(compared.get(name), name).toBeGreaterThan(0)
    }
    for (const victim of ['clickhouse', 'nats-server', 'weir'] as const) weir.kill(victim)
    await weir.ready()
    await clickhouse.close()
    clickhouse = openClickHouse(weir.clickhouse)
    expect((await settled(weir)).ok).toBe(true)
  },
  generousMs,
)

const mutations = { mutations_sync: '2' } as const

interface Falsification {
  readonly what: string
  readonly table: string
  readonly sql: string
  /** Text expected in the detail of a difference. */
  readonly named: RegExp
}

const aCustomer = `(SELECT min(customer_id) FROM rated_usage WHERE amount != 0)`
const anEvent = `(SELECT min((event_id, meter)) FROM rated_usage WHERE amount != 0)`

const falsifications: readonly Falsification[] = [
  {
    what: "a customer's usage deleted",
    table: 'rated_usage',
    sql: `ALTER TABLE rated_usage DELETE WHERE customer_id = ${aCustomer}`,
    named: /rows lost|lost: event_id/,
  },
  {
    what: 'a usage row doubled',
    table: 'rated_usage',
    sql: `INSERT INTO rated_usage SELECT * FROM rated_usage WHERE (event_id, meter) = ${anEvent}`,
    named: /doubled: event_id .+, customer /,
  },
  {
    what: 'a stray usage row of a customer that nobody has',
    table: 'rated_usage',
    sql: `INSERT INTO rated_usage (event_id, customer_id, amount, event_count, ledger_sequence) VALUES ('x', 'nobody', 1, 1, 2)`,
    named: /stray: event_id x, customer nobody/,
  },
  {
    what: 'a stray row of a partition that is not there',
    table: 'rated_usage',
    sql: `INSERT INTO rated_usage (event_id, partition, ledger_sequence) VALUES ('x', 4711, 1)`,
    named: /which the ledger has not reached/,
  },
  {
    what: 'a stray row of a commit that has not been made',
    table: 'charges',
    sql: `INSERT INTO charges (charge_id, partition, ledger_sequence) VALUES ('x', 0, 1000000)`,
    named: /which the ledger has not reached/,
  },
  {
    what: 'an amount changed in an open period',
    table: 'rated_usage',
    sql: `ALTER TABLE rated_usage UPDATE amount = amount + toDecimal128('0.000000000001', 12) WHERE (event_id, meter) = ${anEvent}`,
    named: /changed, as it is: event_id .+, customer /,
  },
  {
    what: 'other dimensions on a row, no sum of which changes',
    table: 'rated_usage',
    sql: `ALTER TABLE rated_usage UPDATE dimensions = map('model', 'another') WHERE (event_id, meter) = ${anEvent}`,
    named: /changed, as it is: event_id /,
  },
  {
    what: 'the instant of an event moved by the least there is',
    table: 'rated_usage',
    sql: `ALTER TABLE rated_usage UPDATE ingested_at = addMilliseconds(ingested_at, 1) WHERE (event_id, meter) = ${anEvent}`,
    named: /changed, as it is: event_id /,
  },
  {
    what: 'dead letters emptied',
    table: 'dead_letters',
    sql: `TRUNCATE TABLE dead_letters`,
    named: /rows lost/,
  },
  {
    what: 'a dead letter with another detail',
    table: 'dead_letters',
    sql: `ALTER TABLE dead_letters UPDATE detail = 'another' WHERE event_id = (SELECT min(event_id) FROM dead_letters)`,
    named: /changed, as it was: event_id /,
  },
  {
    what: 'what became of a duplicate told otherwise',
    table: 'event_outcomes',
    sql: `ALTER TABLE event_outcomes UPDATE detail = 'another' WHERE event_id = (SELECT min(event_id) FROM event_outcomes)`,
    named: /changed, as it is: event_id /,
  },
  {
    what: 'a charge dropped',
    table: 'charges',
    sql: `ALTER TABLE charges DELETE WHERE charge_id = (SELECT min(charge_id) FROM charges)`,
    named: /lost: charge_id .+, customer /,
  },
  {
    what: 'a version of a subscription doubled',
    table: 'subscription_versions',
    sql: `INSERT INTO subscription_versions SELECT * FROM subscription_versions LIMIT 1`,
    named: /doubled: event_id .+, customer /,
  },
  {
    what: 'a movement of MRR dated another day',
    table: 'mrr_movements',
    sql: `INSERT INTO mrr_movements SELECT * REPLACE (addDays(effective_at, 1) AS effective_at) FROM mrr_movements LIMIT 1`,
    named: /stray|changed/,
  },
  {
    what: 'the counts of a commit doubled',
    table: 'event_dispositions',
    sql: `INSERT INTO event_dispositions SELECT * FROM event_dispositions WHERE received > 0 LIMIT 1`,
    named: /doubled/,
  },
  {
    what: 'a line of a journal entry dropped',
    table: 'journal_entries',
    sql: `DELETE FROM journal_entries WHERE (journal_id, line) = (SELECT min((journal_id, line)) FROM journal_entries)`,
    named: /1 rows lost/,
  },
  {
    what: 'an account changed in a journal entry',
    table: 'journal_entries',
    sql: `INSERT INTO journal_entries SELECT * REPLACE ('4711' AS account) FROM journal_entries LIMIT 1`,
    named: /1 rows too many/,
  },
  {
    what: 'a part of a schedule dropped',
    table: 'revenue_schedule',
    sql: `DELETE FROM revenue_schedule WHERE (journal_id, part) = (SELECT min((journal_id, part)) FROM revenue_schedule)`,
    named: /1 rows lost/,
  },
  {
    what: 'a part of a schedule that no entry has',
    table: 'revenue_schedule',
    sql: `INSERT INTO revenue_schedule SELECT * REPLACE (addMonths(month, 1) AS month) FROM revenue_schedule LIMIT 1`,
    named: /1 rows too many/,
  },
  {
    what: 'a billing batch of another entity',
    table: 'billing_batches',
    sql: `INSERT INTO billing_batches (batch_id, entity_id, stream_sequence) VALUES ('x', 'y', 99999)`,
    named: /where BILLING has no message/,
  },
]

/** At most one of each table in a wave: a reconciliation then tells of each by the check of its own table. */
function inWaves(all: readonly Falsification[]): Falsification[][] {
  const waves: Falsification[][] = []
  for (const one of all) {
    const wave = waves.find(others => others.every(({ table }) => table !== one.table))
    if (wave === undefined) waves.push([one])
    else wave.push(one)
  }
  return waves
}

async function falsify({ table, sql }: Falsification): Promise<void> {
  await clickhouse.command({
    query: `CREATE TABLE kept_${table} AS ${table} ENGINE = MergeTree ORDER BY tuple()`,
  })
  await clickhouse.command({ query: `INSERT INTO kept_${table} SELECT * FROM ${table}` })
  await clickhouse.command({
    query: sql,
    clickhouse_settings: { ...mutations, allow_nondeterministic_mutations: 1 },
  })
}

async function restore({ table }: Falsification): Promise<void> {
  await clickhouse.command({ query: `TRUNCATE TABLE ${table}` })
  await clickhouse.command({
    query: `INSERT INTO ${table} SELECT * FROM kept_${table} SETTINGS insert_deduplicate = 0`,
  })
  await clickhouse.command({ query: `DROP TABLE kept_${table}` })
}

describe.each(
  inWaves(falsifications).map(wave => ({ wave, tables: wave.map(({ table }) => table).join(', ') })),
)('in $tables', ({ wave }) => {
  let report: ReconcileReport

  beforeAll(async () => {
    for (const one of wave) await falsify(one)
    const { code, stdout } = await weir.run('reconcile', '--json')
    report = JSON.parse(stdout) as ReconcileReport
    expect([code, report.ok]).toEqual([1, false])
  }, generousMs)

  afterAll(async () => {
    for (const one of wave) await restore(one)
  }, generousMs)

  test.each(wave)('$what is found and named', ({ table, named }) => {
    const check = report.checks.find(one => one.check === `table_${table}`)
    expect(check).toMatchObject({ state: 'differs', ok: false })
    expect(check!.differences.map(one => one.detail).join('\n')).toMatch(named)
  })
})

test(
  'a detached part is found, with the part and the rows that went with it',
  async () => {
    const result = await clickhouse.query({
      query: `SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'charges' AND active LIMIT 1`,
      format: 'JSONEachRow',
    })
    const [part] = await result.json<{ name: string }>()
    await clickhouse.command({ query: `ALTER TABLE charges DETACH PART '${part!.name}'` })
    const report = await reconciled()
    expect(report.ok).toBe(false)
    expect(report.checks.find(one => one.check === 'table_charges')).toMatchObject({ state: 'differs' })
    expect(report.checks.find(one => one.check === 'clickhouse_parts')!.differences).toEqual([
      expect.objectContaining({ id: `charges, part ${part!.name}`, found: 'detached' }),
    ])
    await clickhouse.command({ query: `ALTER TABLE charges ATTACH PART '${part!.name}'` })
    expect((await reconciled()).ok).toBe(true)
  },
  generousMs,
)
