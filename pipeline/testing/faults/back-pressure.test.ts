// ClickHouse stops while producers go on. LEDGER grows to its limit, then METERING to its own, then producers
// are refused; the memory of the process depends on none of this. When ClickHouse runs again, everything
// drains: every acknowledged event is stored once, and all sums are exact.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import type { CloudEventJson } from '../../demo/traffic.js'
import { auditMonth } from './audit.js'
import { settled } from './kill-run.js'
import { type Month, monthOf } from './month.js'
import { Producer } from './producer.js'

const events = 80_000
const mib = 1 << 20
const limitBytes = 2 * mib
/**
 * The prefetch of four partitions, what the sink holds, and garbage in between. It does not depend on the
 * backlog.
 */
const memoryRoomBytes = 500 * mib
const generousMs = 600_000
const stallsWithinMs = 120_000
const eventsAtOnce = 4_000
/** Backlogs are measured about once a second, so `/metrics` shows a value that is up to a second old. */
const lookAgain = { timeout: 30_000, interval: 250 }

let weir: SupervisedWeir
let month: Month

beforeAll(async () => {
  month = await monthOf(events, 200)
  weir = await SupervisedWeir.start({
    env: {
      WEIR_BACKPRESSURE_MAX_LEDGER_BYTES: String(limitBytes),
      WEIR_BACKPRESSURE_MAX_PENDING_BYTES: String(limitBytes),
      WEIR_COMMIT_MAX_EVENTS: '2000',
    },
  })
})

afterAll(async () => {
  await weir?.stop()
}, generousMs)

test(
  'producers are slowed while ClickHouse stands still, and nothing that was acknowledged is lost',
  async () => {
    const producer = new Producer(weir)
    await weir.ready()
    await producer.send(month.opening, 1)
    const warmUp = month.usage.slice(0, 10_000)
    await producer.send(warmUp, 4)
    await settled(weir)
    expect([...producer.answers]).toEqual([])
    const before = weir.residentBytes

    weir.freeze('clickhouse', true)
    const sending = sendSteadily(producer, month.usage.slice(warmUp.length))
    const stalled = await stalledAt(producer)
    const refusal = await attempt()
    const peak = weir.residentBytes
    console.log(JSON.stringify({ acknowledged: stalled, before, peak, ...(await backlog()) }))
    expect(refusal).toMatchObject({ status: 429, code: 'pipeline_behind' })
    expect(refusal.retryAfterSeconds).toBeGreaterThanOrEqual(1)
    expect(stalled).toBeLessThan(month.opening.length + month.usage.length)
    await expect.poll(backlog, lookAgain).toMatchObject({ processingHeld: 1, gatewaySlowed: 1 })
    expect(peak - before).toBeLessThan(memoryRoomBytes)

    weir.freeze('clickhouse', false)
    await sending
    await producer.send(month.amendments, 1)
    await producer.send(month.stragglers, 1)
    await settled(weir)
    await expect.poll(backlog, lookAgain).toMatchObject({ processingHeld: 0, gatewaySlowed: 0 })
    const cutoff = formatInstantMs(month.scenario.untilMs)
    const bill = await weir.run('billing-run', 'create', '--cutoff', cutoff, '--wait', '--json')
    expect(bill.code, bill.stderr).toBe(0)
    const report = await settled(weir)
    expect(await audited()).toEqual([])
    expect(report.checks.filter(check => !check.ok)).toEqual([])
    expect(producer.accepted).toBe(month.expected.accepted)
    expect([...producer.answers.keys()]).toEqual(['429 pipeline_behind'])
    expect(weir.unaskedExits).toBe(0)
  },
  generousMs,
)

test(
  'canary: with room in the limits the same standstill slows nobody',
  async () => {
    const roomy = await SupervisedWeir.start()
    try {
      await roomy.ready()
      const producer = new Producer(roomy)
      await producer.send(month.opening, 1)
      roomy.freeze('clickhouse', true)
      await producer.send(month.usage.slice(0, 40_000), 4)
      expect([...producer.answers]).toEqual([])
      roomy.freeze('clickhouse', false)
      await settled(roomy)
    } finally {
      await roomy.stop()
    }
  },
  generousMs,
)

/**
 * Producers are not refused all at once: backlogs are measured about once a second, and what arrives within
 * that second is taken. A refused request is repeated until it is taken.
 */
async function sendSteadily(producer: Producer, usage: readonly CloudEventJson[]): Promise<void> {
  for (let start = 0; start < usage.length; start += eventsAtOnce) {
    await producer.send(usage.slice(start, start + eventsAtOnce), 4)
    await sleep(200)
  }
}

/**
 * Waits until producers are refused and no request was acknowledged between two checks. Returns how many
 * events were.
 */
async function stalledAt(producer: Producer): Promise<number> {
  const deadlineMs = Date.now() + stallsWithinMs
  for (let last = -1; Date.now() < deadlineMs; await sleep(3_000)) {
    const { acknowledged } = producer
    if (acknowledged === last && producer.answers.has('429 pipeline_behind')) return acknowledged
    last = acknowledged
  }
  throw new Error(`Producers were not slowed: ${producer.acknowledged} events were acknowledged.`)
}

/** A refused request was not taken in part: its event may be sent again under the same id. */
async function attempt() {
  const answer = await fetch(`${weir.url}/v1/events`, {
    method: 'POST',
    headers: {
      'content-type': 'application/cloudevents-batch+json',
      authorization: `Bearer ${weir.instance?.api_key ?? ''}`,
    },
    body: JSON.stringify(month.usage.slice(0, 1)),
  })
  const { code } = (await answer.json()) as { code?: string }
  return { status: answer.status, code, retryAfterSeconds: Number(answer.headers.get('retry-after')) }
}

async function backlog() {
  const text = await (await fetch(`${weir.url}/metrics`)).text()
  const value = (series: string) =>
    Number(
      text
        .split('\n')
        .find(line => line.startsWith(series))
        ?.split(' ')[1],
    )
  return {
    meteringBytes: value('weir_backlog_bytes{stream="METERING"}'),
    ledgerBytes: value('weir_backlog_bytes{stream="LEDGER"}'),
    processingHeld: value('weir_back_pressure{stage="processing"}'),
    gatewaySlowed: value('weir_back_pressure{stage="gateway"}'),
  }
}

async function audited(): Promise<string[]> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    return await auditMonth(clickhouse, month)
  } finally {
    await clickhouse.close()
  }
}
