// The demo from end to end: a fresh Weir, a month of traffic, amendments that come too late, a billing run, and every
// figure held against the independent sum.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { parse } from 'yaml'
import { jsonType } from '../../schemas/event/media-types.js'
import { packageRoot } from '../../schemas/package-root.js'
import { formatInstantMs } from '../../schemas/time.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import type { WeirConfig } from '../config/config.js'
import { startWeir, type Weir } from '../main.js'
import type { ReconcileReport } from '../reconcile/report.js'
import type { Progress } from '../terminal/progress.js'
import { type Check, checksOf } from './checks.js'
import { erpChecks, reconciledWithErp, untilPosted } from './erp-checks.js'
import type { FakeErpKind } from './erp-kinds.js'
import { type FakeErp, startFakeErp } from './fake-erp.js'
import { readFigures, readTopCustomers } from './figures.js'
import { independentSum } from './independent-sum.js'
import type { DemoReport } from './page.js'
import type { Scenario } from './scenario.js'
import { type SendTarget, sendEvents } from './send.js'
import { type CloudEventJson, type Disorder, trafficOf } from './traffic.js'

export interface DemoOptions {
  readonly scenario: Scenario
  readonly disorder: Disorder
  /** The month ends in a fake ERP of this kind. */
  readonly erp?: FakeErpKind
  /** The configuration of a demo: everything but the data directory, which is fresh, and the fake ERP. */
  readonly configOf: (dataDir: string, erp: FakeErp | undefined) => WeirConfig
  readonly log: Logger
  readonly progress: Progress
}

/** More than a month of arrival delay: the demo's events may be years old. */
const settleDeadlineMs = 600_000
const requestsInFlight = 4
const pollMs = 50

export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'weir-demo-'))
  const startedAt = performance.now()
  let weir: Weir | undefined
  let erp: FakeErp | undefined
  try {
    if (options.erp !== undefined) {
      const customers = options.scenario.customers.map(one => one.customerId)
      const faking = options.progress.step(`starting a fake ${options.erp}`, 0)
      erp = await startFakeErp(options.erp, customers)
      faking.done()
    }
    const starting = options.progress.step('starting NATS JetStream, ClickHouse and the pipeline', 0)
    weir = await startWeir(options.configOf(dataDir, erp), {
      log: options.log,
      onNotice: options.progress.notice,
    })
    starting.done()
    return await measure(options, weir, startedAt)
  } finally {
    await weir?.drain()
    await erp?.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function measure(options: DemoOptions, weir: Weir, startedAt: number): Promise<DemoReport> {
  const { scenario, progress } = options
  const readyAt = performance.now()
  const catalogText = await readFile(new URL('pipeline/demo/catalog.yaml', packageRoot), 'utf8')
  const traffic = trafficOf(scenario, options.disorder)
  const target: SendTarget = { url: weir.url, apiKey: weir.firstKey ?? '' }
  const send = async (name: string, events: readonly CloudEventJson[], inFlight: number): Promise<number> => {
    const sending = progress.step(name, events.length)
    const { accepted } = await sendEvents(target, events, inFlight, count => sending.advance(count))
    sending.done()
    return accepted
  }
  let accepted = await send(
    'catalog and subscriptions',
    [catalogEvent(catalogText), ...traffic.subscriptions],
    1,
  )
  accepted += await send('usage events', traffic.usage, requestsInFlight)
  accepted += await send('late, repeated and broken events', traffic.stragglers, 1)
  await delivered(weir, options, accepted)
  accepted += await send('amendments, back-dated', traffic.amendments, 1)
  await bill(weir, target, scenario.untilMs, progress)
  const { erp } = options
  if (erp !== undefined) await untilPosted(weir, erp, progress, AbortSignal.timeout(settleDeadlineMs))
  const trafficSeconds = (performance.now() - readyAt) / 1000
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    const figures = await readFigures(clickhouse, scenario.untilMs)
    const customers = await readTopCustomers(clickhouse)
    const checks = checksOf(figures, independentSum(scenario, catalogText), {
      ...traffic.expected,
      accepted: traffic.expected.accepted + 1,
      applied: traffic.expected.applied + 1,
    })
    const books = erp === undefined ? undefined : await reconciledWithErp(target, erp, progress)
    const seconds = {
      start: (readyAt - startedAt) / 1000,
      traffic: trafficSeconds,
      total: (performance.now() - startedAt) / 1000,
    }
    return {
      title: scenario.title,
      seconds,
      figures,
      customers,
      ...(books === undefined ? {} : { erp: books }),
      checks: [
        ...checks,
        await reconciled(target),
        ...(books === undefined ? [] : erpChecks(books, figures)),
      ],
    }
  } finally {
    await clickhouse.close()
  }
}

/** The same report that `weir reconcile` prints, as one more check. */
async function reconciled(target: SendTarget): Promise<Check> {
  const headers = { authorization: `Bearer ${target.apiKey}` }
  const report = (await (
    await fetch(`${target.url}/v1/reconciliation`, { headers })
  ).json()) as ReconcileReport
  const found = report.checks.filter(check => check.ok).length
  const expected = report.checks.length
  return { what: 'checks of weir reconcile', expected: `${expected}`, found: `${found}`, ok: report.ok }
}

/** Waits until the usage is rated and in ClickHouse, so that the amendments come late. */
async function delivered(weir: Weir, options: DemoOptions, accepted: number): Promise<void> {
  const rating = options.progress.step('rated and delivered', accepted)
  const deadline = AbortSignal.timeout(settleDeadlineMs)
  for (let shown = 0; ; await sleep(pollMs)) {
    deadline.throwIfAborted()
    const received = weir.status().partitions.reduce((sum, one) => sum + (one.counters?.received ?? 0), 0)
    rating.advance(received - shown)
    shown = received
    if (received >= accepted) break
  }
  await weir.delivered(deadline)
  rating.done()
}

async function bill(weir: Weir, target: SendTarget, cutoffMs: number, progress: Progress): Promise<void> {
  const billing = progress.step('billing run: sealing, batches, postings', 0)
  const headers = { authorization: `Bearer ${target.apiKey}`, 'content-type': jsonType }
  const answer = await fetch(`${target.url}/v1/billing-runs`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ cutoff: formatInstantMs(cutoffMs) }),
  })
  if (!answer.ok) throw new Error(`POST /v1/billing-runs answered ${answer.status}: ${await answer.text()}`)
  let run = (await answer.json()) as { billing_run_id: string; status: string }
  const deadline = AbortSignal.timeout(settleDeadlineMs)
  while (run.status === 'sealing') {
    await sleep(pollMs, undefined, { signal: deadline })
    run = (await (
      await fetch(`${target.url}/v1/billing-runs/${run.billing_run_id}`, { headers })
    ).json()) as typeof run
  }
  await weir.delivered(deadline)
  billing.done()
}

function catalogEvent(text: string): CloudEventJson {
  return {
    specversion: '1.0',
    id: 'catalog-1',
    source: '/demo/catalog',
    type: 'weir.catalog.published',
    data: { catalog: parse(text) as unknown },
  }
}
