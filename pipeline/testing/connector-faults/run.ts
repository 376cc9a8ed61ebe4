// One run: a broker and a fake of its own, records, a Weir that is killed again and again while the fake fails at random,
// then one last Weir and a sound fake, so that exceptions are taken up again; and the count of what the fake has.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { startEmbeddedClickhouse } from '../../../deploy/embedded/clickhouse-server.js'
import { startNatsServer } from '../../../deploy/embedded/nats-server.js'
import { runKeys, runsBucket } from '../../../schemas/billing/billing-run.js'
import type { RecordsChoice } from '../../../sinks/connector-kind.js'
import { readStretch } from '../../broker/read-stream.js'
import { ensureTopology } from '../../broker/topology.js'
import { type Count, countOf } from './count.js'
import { type ExpectedDocument, expectedDocuments } from './expected-documents.js'
import { chancesOf, currenciesOf, measureOf, nameOf, rateOf } from './faults.js'
import { type Booked, FakeProcess, WeirProcess } from './processes.js'
import { billingRun, messagesOf, runId } from './sent-records.js'
import { States } from './states.js'

export interface RunOptions {
  /** With a variant of its fake after a colon, such as `stripe:meter_events`. */
  readonly kind: string
  readonly feed: RecordsChoice
  readonly records: number
  readonly kills: number
  /** So many times the usual chances of faults, for runs of few records. */
  readonly faultsTimes: number
  /** After so long what is open is counted as open. */
  readonly mostMs: number
  /** The waits of the product. */
  readonly isSlow: boolean
  readonly onProgress: (words: string) => void
}

export interface RunResult extends Count {
  readonly kind: string
  readonly feed: RecordsChoice
  readonly records: number
  readonly faults: Booked['faults']
  readonly kills: number
  readonly seconds: number
  readonly unclear: number
  readonly exceptions: number
  /** Of records that are still refused. */
  readonly reasons: readonly string[]
}

/** What is in flight at once while records are published. */
const publishedAtOnce = 200
const lookMs = 250
/** A second stands for minutes (shorter-waits.ts). */
const shorterWaits = { lateMs: 1_000, hangMs: 120_000, cutsForOneOpen: 9, retryAfterSeconds: 1 }

export function isSound(result: RunResult): boolean {
  const { lost, twice, unbalanced, outOfOrder, open, refused } = result
  return lost + twice + unbalanced + outOfOrder + open + refused === 0
}

export async function run(options: RunOptions): Promise<RunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'weir-connector-faults-'))
  const broker = await startNatsServer({ storeDir: join(folder, 'nats') })
  const clickhouse = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  const nc = await connect({ ...broker.login() })
  const fake = await FakeProcess.start(options.kind)
  const { secrets } = fake.told
  const weir = new WeirProcess({ folder, broker, clickhouse, secrets, isSlow: options.isSlow })
  try {
    const js = jetstream(nc)
    await ensureTopology(nc, { partitions: 1 })
    await configure(folder, fake, options)
    const expected = await publish(js, fake, options)
    const states = new States(js)
    const begunMs = Date.now()
    const kills = await deliver({ fake, weir, states, options })
    const seconds = Math.round((Date.now() - begunMs) / 1_000)
    const { documents, faults } = await fake.booked()
    const isJournal = options.feed === 'journals' || options.feed === 'summaries'
    const count = countOf(expected, documents, key => states.standingOf(key), isJournal)
    const { kind, feed, records } = options
    const { unclear, exceptions, reasons } = states
    const how = { faults, kills, seconds, unclear, exceptions, reasons: [...new Set(reasons.values())] }
    return { kind, feed, records, ...count, ...how }
  } finally {
    await weir.kill()
    await fake.stop()
    await nc.close()
    await Promise.all([broker.stop(), clickhouse.stop()])
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
  }
}

async function configure(folder: string, fake: FakeProcess, { kind, feed }: RunOptions): Promise<void> {
  const { connection, mapping } = fake.told
  const rate = rateOf(kind)
  const settings = {
    name: 'books',
    kind: nameOf(kind),
    records: feed,
    ...connection,
    ...(mapping === undefined ? {} : { mapping: 'mapping.yaml' }),
    ...(rate === undefined ? {} : { rate }),
  }
  // Journals of the lines are not what is looked at: without a mapping of accounts the feed that posts them waits.
  const postings = feed === 'batch_lines' ? { erp: { accounts: 'none.yaml' } } : {}
  // What is written back comes from the run alone.
  const untold = { write_back: { every_seconds: 86_400 } }
  await writeFile(join(folder, 'mapping.yaml'), mapping ?? '')
  await writeFile(
    join(folder, 'weir.yaml'),
    JSON.stringify({ partitions: 1, ...postings, ...untold, connections: [settings] }),
  )
}

async function publish(
  js: JetStreamClient,
  fake: FakeProcess,
  { kind, feed, records }: RunOptions,
): Promise<readonly ExpectedDocument[]> {
  const { customers = ['acme'], mapping = '' } = fake.told
  const nowMs = Date.now()
  const messages = messagesOf({ feed, records, customers, currencies: currenciesOf(kind), nowMs })
  const runs = await new Kvm(js).open(runsBucket)
  await runs.put(runKeys.record(runId), JSON.stringify(billingRun(nowMs)))
  for (let from = 0; from < messages.length; from += publishedAtOnce) {
    const some = messages.slice(from, from + publishedAtOnce)
    await Promise.all(some.map(({ natsSubject, body }) => js.publish(natsSubject, body)))
  }
  const stored: unknown[] = []
  const [stream, filterSubject] = sourceOf(feed, messages[0]!.natsSubject)
  for await (const one of readStretch(js, { stream, filterSubject, from: 1 }, new AbortController().signal))
    stored.push(one.json())
  return expectedDocuments(stored, { feed, mapping, ...measureOf(kind) })
}

/** What Weir reads, message by message. */
function sourceOf(
  feed: RecordsChoice,
  natsSubject: string,
): readonly [stream: string, filterSubject: string] {
  if (feed === 'batch_lines') return ['BILLING', natsSubject]
  return natsSubject.startsWith('write_back.') ? ['WRITE_BACK', 'write_back.>'] : ['POSTINGS', natsSubject]
}

interface Playing {
  readonly fake: FakeProcess
  readonly weir: WeirProcess
  readonly states: States
  readonly options: RunOptions
}

/** Answers how often Weir was killed. */
async function deliver({ fake, weir, states, options }: Playing): Promise<number> {
  const { kind, records, kills, faultsTimes, isSlow, onProgress, mostMs } = options
  const untilMs = Date.now() + mostMs
  if (!isSlow) await fake.wait(shorterWaits)
  await fake.failAtRandom(chancesOf(kind, faultsTimes))
  weir.start()
  let killed = 0
  // Spread over the records, so that a fast run has as many kills as a slow one; between two looks at a random moment.
  const killsAt = Array.from({ length: kills }, (_, n) => ((n + Math.random()) * records * 0.97) / kills)
  const killWeir = async (): Promise<void> => {
    await sleep(Math.random() * lookMs)
    await weir.kill()
    killed += 1
    weir.start()
  }
  for (let looks = 0; Date.now() < untilMs; looks += 1) {
    await states.read()
    const settled = states.count('posted', 'refused')
    if (looks % 40 === 0) onProgress(`${states}, ${killed} kills`)
    if (settled + states.count('held') === records) break
    if (weir.hasEnded) throw new Error('Weir has ended by itself')
    if (settled >= (killsAt[killed] ?? Number.POSITIVE_INFINITY)) await killWeir()
    else await sleep(lookMs)
  }
  // What was refused is taken up again at a start.
  await fake.failAtRandom({})
  if (states.count('refused', 'held') > 0) await killWeir()
  while (Date.now() < untilMs && states.count('posted') < records) {
    await sleep(lookMs)
    await states.read()
  }
  return killed
}
