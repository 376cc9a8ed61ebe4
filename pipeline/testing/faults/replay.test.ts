// Replays of a running Weir: by this build and by other terms, from the streams and from the rated rows, with kills in the
// middle; by another build in a process of its own; and that nothing live is touched.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import { formatScaled, parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { tables } from '../../../schemas/tables.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { streamNames } from '../../broker/topology.js'
import { stateFormat } from '../../core/state/partition-state.js'
import type { JobView } from '../../jobs/job-record.js'
import type { ReplayReport } from '../../replay/replay-report.js'
import type { ChargeLine, CustomerLine } from '../../replay/replay-store.js'
import { otherBuild, replaceIn } from '../other-build.js'
import { settled } from './kill-run.js'
import { type Month, monthOf } from './month.js'
import { Producer } from './producer.js'

type Printed = ReplayReport & {
  readonly job_id: string
  readonly customers: readonly CustomerLine[]
  readonly charges: readonly ChargeLine[]
}

let weir: SupervisedWeir
let month: Month
let stretch: readonly string[]
let nc: NatsConnection

beforeAll(async () => {
  month = await monthOf(3_000, 30)
  weir = await SupervisedWeir.start({ env: { WEIR_PARTITIONS: '2', WEIR_COMMIT_MAX_EVENTS: '200' } })
  await weir.ready()
  const producer = new Producer(weir)
  await producer.send(month.opening, 1)
  await producer.send(month.usage, 2)
  await producer.send(month.amendments, 1)
  await producer.send(month.stragglers, 1)
  await settled(weir)
  nc = await connect({ ...weir.nats })
  const { fromMs, untilMs } = month.scenario
  stretch = ['--from', formatInstantMs(fromMs), '--until', formatInstantMs(untilMs), '--shadow']
}, 120_000)

afterAll(async () => {
  await nc?.close()
  await weir?.stop()
}, 120_000)

async function replayed(...args: readonly string[]): Promise<Printed> {
  const { stdout, stderr } = await weir.run(...args, '--json')
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Printed
}

/** Every stream, bucket and table that is live. */
async function everything(): Promise<unknown> {
  const jsm = await jetstreamManager(nc)
  const notLive = new Set(['KV_weir_jobs', 'KV_weir_replays', 'KV_weir_audit', 'AUDIT', 'KV_weir_sinks'])
  const streams: unknown[] = []
  for await (const { config, state } of jsm.streams.list()) {
    if (notLive.has(config.name)) continue
    streams.push([config.name, state.first_seq, state.last_seq, state.messages, state.bytes])
  }
  expect(streams.length).toBeGreaterThan(streamNames.length)
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    const query = tables
      .filter(({ name }) => name !== 'audit_log')
      .map(
        ({ name }) =>
          `SELECT '${name}' AS name, toString(count()) AS n, toString(sum(cityHash64(*))) AS sum FROM ${name}`,
      )
    const rows = await (
      await clickhouse.query({
        query: `SELECT * FROM (${query.join(' UNION ALL ')}) ORDER BY name`,
        format: 'JSONEachRow',
      })
    ).json()
    return [streams, rows]
  } finally {
    await clickhouse.close()
  }
}

test('by this build and the published terms, streams and history give what is owed, and nothing live changes', async () => {
  const before = await everything()
  for (const source of ['input', 'history']) {
    const found = await replayed('replay', ...stretch, '--source', source)
    expect(found.is_whole).toBe(true)
    expect(found.charges).toEqual([])
    expect(found.customers).toEqual([])
    expect(found.totals).toMatchObject([{ currency: 'USD', changed: 0, amount_change: '0' }])
    expect(found.totals[0]!.charges).toBeGreaterThan(60)
    expect(found.events).toMatchObject({ rated: 3_000 })
  }
  expect(await everything()).toEqual(before)
})

/** The input price of the plan `starter`, doubled, in a version that is not published. */
function dearer(): string {
  const [head, ...plans] = month.catalogText.split(/(?=\n {2}- plan: )/)
  const starter = plans.find(text => text.includes('plan: starter'))!
  const next = starter.replace('version: 1', 'version: 2').replace('"0.000003"', '"0.000006"')
  return [head, ...plans, next].join('')
}

test('a catalog diff tells exactly who would pay how much more, and what it changes', async () => {
  const before = await everything()
  const file = join(weir.dataDir, 'dearer.yaml')
  await writeFile(file, dearer())
  const found = await replayed('catalog', 'diff', file, '--month', stretch[1]!.slice(0, 7))
  expect(found.plan_changes).toMatchObject([
    {
      plan: 'starter',
      from_version: 1,
      to_version: 2,
      terms: null,
      prices: [{ price: 'input', change: 'changed' }],
    },
  ])
  expect(found.charges.length).toBeGreaterThan(3)
  for (const { plan, price, amount_before, amount_after, quantity_before, quantity_after } of found.charges) {
    expect([plan, price]).toEqual(['starter', 'input'])
    expect(scaled(amount_after)).toBe(2n * scaled(amount_before))
    expect(quantity_after).toBe(quantity_before)
  }
  // The rated rows, summed by the database, are the independent measure.
  const rated = await ratedOf("plan = 'starter' AND price = 'input'")
  const [starter] = found.prices.filter(({ plan, price }) => plan === 'starter' && price === 'input')
  expect(starter).toMatchObject({ amount_before: formatScaled(rated), amount_change: formatScaled(rated) })
  const byCustomer = found.customers.reduce((sum, one) => sum + scaled(one.amount_change), 0n)
  expect(byCustomer).toBe(rated)
  expect(await everything()).toEqual(before)

  const one = found.customers[0]!.customer_id
  const alone = [...stretch, '--catalog', file, '--customer', one, '--format', 'csv']
  const csv = (await weir.run('replay', ...alone)).stdout.trim().split('\n')
  expect(csv[0]).toMatch(/^customer_id,currency,charges,changed,amount_before,/)
  expect(csv.slice(1)).toHaveLength(1)
  expect(csv[1]).toContain(`,${found.customers[0]!.amount_change},`)
})

test('a diff on a published version is refused as publishing would be', async () => {
  const file = join(weir.dataDir, 'changed.yaml')
  await writeFile(file, month.catalogText.replace('"0.000003"', '"0.000006"'))
  const { code, stderr } = await weir.run('catalog', 'diff', file)
  expect(code).toBe(78)
  expect(stderr).toMatch(
    /changed\.yaml:\d+: Version 1 of the plan starter is published with other content\..*\(conflicting_catalog\)/,
  )
  const meter = join(weir.dataDir, 'meter.yaml')
  await writeFile(meter, month.catalogText.replace('value: input_tokens', 'value: cached_tokens'))
  const refused = await weir.run('replay', ...stretch, '--catalog', meter, '--source', 'history')
  expect(refused.stderr).toMatch(/422 meter_not_in_history: .*tokens_in/)
})

test('this build in a process of its own finds nothing, also while the live one goes on, and is on record', async () => {
  const before = await everything()
  const here = (source: string) =>
    replayed('replay', ...stretch, '--here', '--source', source, '--reason', source)
  const still = await here('history')
  expect(await everything()).toEqual(before)
  expect(still.events).toMatchObject({ rated: 3_000 })
  const running = here('input')
  expect(await sentUntil(running, 0)).toBeGreaterThan(0)
  for (const found of [still, await running]) {
    expect([found.charges, found.customers, found.request.notes]).toEqual([[], [], []])
    expect(found.totals).toMatchObject([{ currency: 'USD', changed: 0, amount_change: '0' }])
    expect(found.totals[0]!.charges).toBeGreaterThan(60)
  }
  const listed = await weir.run('audit', 'ls', '--act', 'replay.started', '--json')
  const entries = JSON.parse(listed.stdout) as { reason: string | null; after: { build?: string } }[]
  const compared = entries.filter(({ after }) => after.build !== undefined)
  expect(compared.map(({ reason }) => reason).sort()).toEqual(['history', 'input'])
})

test('another build finds exactly the charges that it computes otherwise, while the live one goes on', async () => {
  const folder = join(weir.dataDir, 'other-build')
  const file = 'pipeline/shadow/shadow-worker.bundle.js'
  const cut = { file, from: /divideRounded\(amount, (step\d*), rounding\) \* \1/, to: 'amount / $1 * $1' }
  const other = await otherBuild(folder, [cut])
  const owed = await chargesOwed()
  const roundedUp = owed.filter(one => scaled(one.amount_rounded) > scaled(one.amount))
  expect(roundedUp.length).toBeGreaterThan(3)
  expect(roundedUp.length).toBeLessThan(owed.length)
  expectCut(await compared(other, ['--source', 'history']), roundedUp)

  // A state that it cannot read: everything is read from the streams.
  await replaceIn(folder, {
    file: 'pipeline/core/state/partition-state.js',
    from: `stateFormat = ${stateFormat};`,
    to: 'stateFormat = 1000;',
  })
  const running = compared(other, [])
  const { fromMs, untilMs } = month.scenario
  expect(await sentUntil(running, untilMs - fromMs)).toBeGreaterThan(0)
  const found = await running
  expectCut(found, roundedUp)
  expect(found.build.folder).toBe(`${folder}/`)
  expect(found.request.notes).toEqual([expect.stringContaining('this build reads 1000')])
  const refused = await weir.runBuild(other, 'replay', ...stretch, '--here', '--source', 'history')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^state_format: /)])
}, 300_000)

type PrintedHere = Printed & { readonly build: { readonly folder: string } }

async function compared(other: string, args: readonly string[]): Promise<PrintedHere> {
  const { stdout, stderr } = await weir.runBuild(other, 'replay', ...stretch, '--here', '--json', ...args)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as PrintedHere
}

/** That just these charges differ, each by the cent that was cut off, and the customers that have them. */
function expectCut({ charges, customers }: PrintedHere, roundedUp: readonly ChargeWire[]): void {
  const told = charges.map(one => [one.charge_id, one.amount_change, one.amount_rounded_change])
  expect(told.sort()).toEqual(roundedUp.map(one => [one.charge_id, '0', '-0.01']).sort())
  const theirs = [...new Set(roundedUp.map(one => one.customer_id))].sort()
  expect(customers.map(one => one.customer_id).sort()).toEqual(theirs)
}

/** Every charge of the stretch, as the live build computes it. */
async function chargesOwed(): Promise<ChargeWire[]> {
  const [from, until] = [stretch[1]!, stretch[3]!]
  const headers = { authorization: `Bearer ${weir.instance?.api_key ?? ''}` }
  const answers = [0, 1].map(async partition => {
    const query = new URLSearchParams({ partition: String(partition), from, until })
    const text = await (await fetch(`${weir.url}/v1/owed-charges?${query}`, { headers })).text()
    return text.trim().split('\n').slice(1)
  })
  return (await Promise.all(answers)).flat().map(line => JSON.parse(line) as ChargeWire)
}

/** Sends usage like that of the month, so much later, for as long as the command runs; answers how many events were taken. */
async function sentUntil(command: Promise<unknown>, laterMs: number): Promise<number> {
  const producer = new Producer(weir)
  let runs = true
  const ended = command.finally(() => {
    runs = false
  })
  for (let round = 0; runs; round += 1) {
    const usage = month.usage.slice(0, 100).map((event, n) => ({
      ...event,
      id: `more-${laterMs}-${round}-${n}`,
      time: formatInstantMs(Date.parse(String(event.time)) + laterMs),
    }))
    await producer.send(usage, 1)
    await sleep(20)
  }
  await ended
  return producer.accepted
}

test('a replay goes on after a kill of the process, and can be paused and cancelled', async () => {
  const { stdout } = await weir.run('replay', ...stretch, '--source', 'history', '--detach')
  const id = stdout.trim()
  const headers = { authorization: `Bearer ${weir.instance?.api_key ?? ''}` }
  const job = async () => (await (await fetch(`${weir.url}/v1/jobs/${id}`, { headers })).json()) as JobView
  while ((await job()).progress.done === 0) await sleep(20)
  weir.kill('weir')
  await weir.ready()
  const { stdout: ended, code } = await weir.run('jobs', 'watch', id, '--json')
  expect(JSON.parse(ended)).toMatchObject({ state: 'done', progress: { done: 2, total: 2 } })
  expect(code).toBe(0)
  const { report } = JSON.parse((await weir.run('jobs', 'report', id)).stdout) as { report: ReplayReport }
  expect(report).toMatchObject({ is_whole: true, totals: [{ changed: 0, amount_change: '0' }] })
  expect(report.totals[0]!.charges).toBeGreaterThan(60)

  const other = (await weir.run('replay', ...stretch, '--detach')).stdout.trim()
  expect(JSON.parse((await weir.run('jobs', 'cancel', other, '--json')).stdout)).toMatchObject({
    state: 'cancelled',
  })
  const { stdout: shown } = await weir.run('jobs', 'show', other, '--json')
  expect(JSON.parse(shown)).toMatchObject({ state: 'cancelled' })
}, 180_000)

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(text)
  return parsed.value
}

async function ratedOf(where: string): Promise<Scaled> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    const query = `SELECT toString(sum(amount)) AS amount FROM rated_usage WHERE ${where}`
    const [row] = await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<{ amount: string }>()
    return scaled(row!.amount)
  } finally {
    await clickhouse.close()
  }
}
