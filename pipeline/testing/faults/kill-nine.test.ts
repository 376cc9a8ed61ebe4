// The kill test: a month of events while `kill -9` hits the command, nats-server and ClickHouse again and
// again. At the end every acknowledged event is stored once and all sums are exact. Its canaries show that it
// can fail.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir, victims } from '../../../bench/measure/supervised-weir.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { auditEvents, auditMonth } from './audit.js'
import { killRun, settled } from './kill-run.js'
import { type Month, monthOf } from './month.js'

const events = Number(process.env['WEIR_KILL_EVENTS'] ?? 30_000)
const seed = process.env['WEIR_KILL_SEED'] ?? String(Date.now())
/** Of a round each process is killed once. For more: WEIR_KILL_ROUNDS=4, with more events. */
const perPhase = Number(process.env['WEIR_KILL_ROUNDS'] ?? 1)
const rounds = { usage: 2 * perPhase, drain: perPhase, billing: perPhase }
const generousMs = 900_000

let weir: SupervisedWeir
let month: Month

beforeAll(async () => {
  month = await monthOf(events, 300)
  weir = await SupervisedWeir.start()
})

afterAll(async () => {
  await weir?.stop()
}, generousMs)

test(
  'kill -9 of any process at any time loses no acknowledged event and counts none twice',
  async () => {
    console.log(`kill test: ${events} events, WEIR_KILL_SEED=${seed}`)
    const run = await killRun(weir, month, { seed, rounds })
    const { killer, producer, report, seconds } = run
    console.log(
      JSON.stringify({
        seconds,
        recovery: killer.summary(),
        resent: producer.resent,
        answers: Object.fromEntries(producer.answers),
        unaskedExits: weir.unaskedExits,
      }),
    )
    expect(await audited(month)).toEqual([])
    expect(report.checks.filter(check => !check.ok)).toEqual([])
    expect(producer.accepted).toBe(month.expected.accepted)
    for (const victim of victims) expect(killer.summary()[victim].kills).toBeGreaterThanOrEqual(3)
  },
  generousMs,
)

test(
  'canary: a batch that was acknowledged and is not there is found',
  async () => {
    const { scenario } = month
    const more = Array.from({ length: 1_000 }, (_, index) => scenario.usage[index]!)
    const claimed = { ...month, scenario: { ...scenario, usage: [...scenario.usage, ...more] } }
    const found = await audited(claimed)
    expect(found.join('\n')).toContain('1000 events lost')
    expect(found.join('\n')).toContain('usage rated in ClickHouse: expected')
    expect(found.join('\n')).toContain('usage charged: expected')
  },
  generousMs,
)

test(
  'canary: an event that was rated and never acknowledged is found',
  async () => {
    const clickhouse = openClickHouse(weir.clickhouse)
    try {
      const acknowledged = month.scenario.usage.map((_, index) => index).slice(1)
      expect(await auditEvents(clickhouse, month, { acknowledged })).toEqual([
        '1 events never acknowledged: call-1',
      ])
    } finally {
      await clickhouse.close()
    }
  },
  generousMs,
)

test(
  'canary: one row that is in twice is found',
  async () => {
    const clickhouse = openClickHouse(weir.clickhouse)
    try {
      await clickhouse.command({
        query: `INSERT INTO rated_usage SELECT * FROM rated_usage WHERE kind = 'usage' AND amount != 0 LIMIT 1`,
      })
    } finally {
      await clickhouse.close()
    }
    const found = await audited(month)
    expect(found.join('\n')).toContain('1 events doubled')
    expect(found.join('\n')).toContain('usage rated in ClickHouse: expected')
    const report = await settled(weir)
    expect(report.ok).toBe(false)
  },
  generousMs,
)

async function audited(claimed: Month): Promise<string[]> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    return await auditMonth(clickhouse, claimed)
  } finally {
    await clickhouse.close()
  }
}
