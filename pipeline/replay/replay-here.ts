// A replay in the process of the command, by its own build, beside a running Weir of another one: the live build tells what
// it owes as of one commit of each partition, and this one rates the same input again up to that commit.
// Invariants: it reads from the live servers and writes nothing there; the live Weir puts on record that it was asked.

import { setTimeout as sleep } from 'node:timers/promises'
import { hashOfValue } from '../../schemas/event/event-hash.js'
import { jsonType } from '../../schemas/event/media-types.js'
import type { CommandLine, PartsBeside } from '../feature/command-line.js'
import { callGateway, type Gateway, readGateway } from '../terminal/gateway-client.js'
import type { Progress } from '../terminal/progress.js'
import { type BuildComparison, commitOf, owedHeadSchema } from './build-comparison.js'
import { pageOf } from './difference-pages.js'
import { requestHere } from './here-request.js'
import { planChanges } from './plan-changes.js'
import { replayedPartitions } from './replay-kind.js'
import { type PartitionTask, type ReplayedPartitionAnswer, replayPartitionAt } from './replay-partition.js'
import { type ReplayReport, reportOf } from './replay-report.js'
import { type AskedReplay, catalogIn, type KeptRequest } from './replay-request.js'
import { type DifferenceLine, ReplayStore } from './replay-store.js'

/** What a replay found, ready to be printed. */
export interface Found {
  /** Where it comes from, as the first fields of the JSON. */
  readonly origin: Readonly<Record<string, unknown>>
  readonly sentence: string
  readonly report: ReplayReport
  readonly differences: (by: DifferenceLine['by']) => AsyncIterable<readonly DifferenceLine[]>
}

export interface HereOptions {
  readonly gateway: Gateway
  readonly asked: AskedReplay
  readonly reason: string | undefined
  readonly line: Pick<CommandLine, 'beside' | 'build'>
  readonly progress: Progress
}

const mostTries = 10
const againMs = 1_000
const storedAs = 'here'
const never = new AbortController().signal

export async function replayHere(options: HereOptions): Promise<Found> {
  const { gateway, line } = options
  const { version } = await callGateway<{ version: string }>(gateway, '/version')
  const live = await beginComparison(options)
  return line.beside(live.partitions, async parts => {
    await assertSameBroker(parts, live, gateway)
    const { request, published } = await requestHere(options.asked, parts, live)
    const partitions = replayedPartitions(request, live.partitions)
    const store = keptInMemory()
    const bar = options.progress.step('replay partitions', partitions.length)
    for (const partition of partitions) {
      await replayInto(store, parts, gateway, request, partition)
      bar.advance(1)
    }
    bar.done()
    const tried = catalogIn(request)
    const changes = tried === undefined ? [] : planChanges(published, tried, request.plans)
    const report = await reportOf(store, storedAs, { ...request, plan_changes: changes }, partitions)
    return {
      origin: { build: line.build, live: { version, url: gateway.url } },
      sentence: `Computed by ${line.build.version} in ${line.build.folder}, beside the live ${version} at ${gateway.url}.`,
      report,
      differences: by => pagesOf(store, partitions, by),
    }
  })
}

/** Puts on record what is about to be done. */
async function beginComparison(options: HereOptions): Promise<BuildComparison> {
  const { gateway, asked, reason, line } = options
  const { from, until, source, customerId, catalog } = asked
  const { version, folder } = line.build
  const body = {
    ...{ from, until, source },
    build: `${version} (${folder})`.slice(0, 400),
    ...(customerId === undefined ? {} : { customer_id: customerId }),
    ...(catalog === undefined ? {} : { catalog_hash: hashOfValue(catalog) }),
    ...(reason === undefined ? {} : { reason }),
  }
  const headers = { 'content-type': jsonType }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  try {
    return await callGateway<BuildComparison>(gateway, '/v1/build-comparisons', init)
  } catch (error) {
    if (!/^404 /.test((error as Error).message)) throw error
    throw new Error(`The Weir at ${gateway.url} is too old to be compared with by another build.`, {
      cause: error,
    })
  }
}

async function assertSameBroker(
  { jsm }: PartsBeside,
  live: BuildComparison,
  { url }: Gateway,
): Promise<void> {
  const { created } = await jsm.streams.info('LEDGER')
  if (created === live.ledger_created) return
  throw new Error(
    `other_broker: the broker of these settings is not that of the Weir at ${url}. Use that Weir's configuration or data directory.`,
  )
}

async function replayInto(
  store: ReplayStore,
  parts: PartsBeside,
  gateway: Gateway,
  request: KeptRequest,
  partition: number,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const writer = store.begin(storedAs, partition)
    const write = (lines: Uint8Array) => writer.write(lines)
    const answer = await replayOnce(parts, gateway, { request, partition, signal: never, write })
    if (answer !== undefined) return writer.end(answer)
    if (tries === mostTries) {
      throw new Error(
        `state_replaced: the state of partition ${partition} was replaced ${tries} times while it was read. Try again when less arrives.`,
      )
    }
    await sleep(againMs)
  }
}

/** Undefined: what live told of is no longer there to be read, or live was busy; to be asked again. */
async function replayOnce(
  parts: PartsBeside,
  gateway: Gateway,
  task: PartitionTask,
): Promise<ReplayedPartitionAnswer | undefined> {
  const { request, partition } = task
  const { from, until, customer_id: customerId } = request
  const query = new URLSearchParams({ partition: String(partition), from, until })
  if (customerId !== null) query.set('customer_id', customerId)
  let told: Uint8Array
  try {
    told = await readGateway(gateway, `/v1/owed-charges?${query}`)
  } catch (error) {
    if (/^503 shadow_busy/.test((error as Error).message)) return undefined
    throw error
  }
  const end = told.indexOf(0x0a)
  const head = owedHeadSchema.parse(JSON.parse(Buffer.from(told.subarray(0, end)).toString('utf8')))
  return replayPartitionAt(parts, task, commitOf(head), told.subarray(end + 1))
}

function keptInMemory(): ReplayStore {
  const kept = new Map<string, Uint8Array>()
  return new ReplayStore({ get: async key => kept.get(key), put: async (key, value) => kept.set(key, value) })
}

async function* pagesOf(
  store: ReplayStore,
  partitions: readonly number[],
  by: DifferenceLine['by'],
): AsyncGenerator<readonly DifferenceLine[]> {
  let after: string | null = null
  do {
    const page = await pageOf(store, storedAs, partitions, by, after ?? undefined)
    yield page.differences
    after = page.next
  } while (after !== null)
}
