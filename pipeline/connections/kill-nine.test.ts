// A real `weir start` delivers to a webhook receiver and to a folder, and is killed during requests. The
// receiver takes records and cuts the connection, or never answers. In the end every record has arrived once;
// `weir reconcile` confirms it from the table `deliveries`, and names a row that is falsified or lost.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { readLogin } from '../../deploy/embedded/passwords.js'
import { type ChangedDelivery, deliveryStepSchema } from '../../schemas/billing/delivery.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { builtFile } from '../../schemas/package-root.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { recordsInParquet } from '../../sinks/files/parquet.js'
import { WebhookReceiver } from '../../sinks/webhook/testing/fake.js'
import { readStretch } from '../broker/read-stream.js'
import { ensureTopology } from '../broker/topology.js'
import { environment } from '../environment.js'
import type { Difference, ReconcileReport } from '../reconcile/report.js'
import { readInstance } from '../servers/instance.js'

const command = fileURLToPath(builtFile('pipeline/cli/weir.js'))
const generousMs = 300_000
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`
const journals = 90

let folder: string
let broker: NatsServer
let nc: NatsConnection
let js: JetStreamClient
let receiver: WebhookReceiver
let weir: ChildProcess | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-connections-'))
  broker = await startNatsServer({ storeDir: join(folder, 'nats') })
  nc = await connect({ ...broker.login() })
  js = jetstream(nc)
  await ensureTopology(nc, { partitions: 1 })
  receiver = await WebhookReceiver.start([secret])
  await writeFile(
    join(folder, 'weir.yaml'),
    `partitions: 1
connections:
  - { name: hook, kind: webhook, url: "${receiver.url}", auth: { secrets: [ { variable: HOOK_SECRET } ] } }
  - { name: books, kind: file, folder: books, format: parquet }
`,
  )
})

afterAll(async () => {
  await kill('SIGKILL')
  await receiver?.close()
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
}, generousMs)

function variables(): Record<string, string | undefined> {
  const { PATH, HOME } = environment()
  const login = broker.login()
  return {
    PATH,
    HOME,
    WEIR_DATA_DIR: join(folder, 'data'),
    WEIR_LOG_LEVEL: 'error',
    WEIR_NATS_URL: `nats://127.0.0.1:${broker.port}`,
    WEIR_NATS_USER: login.user,
    WEIR_NATS_PASSWORD: login.pass,
    HOOK_SECRET: secret,
  }
}

/** What `weir reconcile` says, once its feeds have caught up. */
async function reconciled(): Promise<ReconcileReport> {
  for (;;) {
    const stdout = await new Promise<string>(resolve => {
      const args = [command, 'reconcile', '--json']
      execFile(process.execPath, args, { env: variables(), maxBuffer: 2 ** 26 }, (_, out) => resolve(out))
    })
    const report = stdout === '' ? undefined : (JSON.parse(stdout) as ReconcileReport)
    if (report?.caught_up === true) return report
    await sleep(200)
  }
}

function differencesOf({ checks }: ReconcileReport, name: string): readonly Difference[] {
  const found = checks.find(({ check }) => check === name)
  if (found === undefined) throw new Error(`there is no check ${name}`)
  return found.differences
}

function startWeir(): void {
  weir = spawn(
    process.execPath,
    [command, 'start', '--config', join(folder, 'weir.yaml'), '--json', '--port', '0'],
    {
      env: variables(),
      stdio: 'ignore',
    },
  )
}

async function kill(signal: NodeJS.Signals): Promise<void> {
  if (weir === undefined || weir.exitCode !== null || weir.signalCode !== null) return
  const ended = once(weir, 'exit')
  weir.kill(signal)
  await ended
}

function journal(n: number): JournalEntryWire {
  const id = `je_${String(n).padStart(4, '0')}`
  const amount = `${n}.000000000001`
  return {
    journal_id: id,
    idempotency_key: id,
    entity_id: '',
    currency: 'USD',
    accounting_date: '2026-10-31',
    corrects: '',
    plan: 'pro',
    plan_version: 1,
    price: 'base',
    meter: '',
    charge_kind: 'recurring',
    timing: 'in_arrears',
    service_days: { first: '2026-10-01', last: '2026-10-31' },
    timezone: 'UTC',
    kind: 'journal',
    accounting_period: '2026-10',
    lines: [
      { account: '1200', role: 'receivable', debit: amount, credit: '0', segments: {} },
      { account: '4000', role: 'revenue', debit: '0', credit: amount, segments: {} },
    ],
    charge_id: `ch_${n}`,
    customer_id: 'c1',
    contract_id: '',
    subscription_id: 's1',
    subscription_version: 1,
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    performance_obligation: '',
    correlation_id: '',
    source: { billing_run_id: 'run_1', batch_id: 'b1', release_id: '' },
  }
}

async function states(): Promise<ChangedDelivery[][]> {
  const histories = new Map<string, ChangedDelivery[]>()
  const stretch = { stream: 'DELIVERIES', filterSubject: 'deliveries.>', from: 1 }
  for await (const message of readStretch(js, stretch, new AbortController().signal)) {
    for (const one of deliveryStepSchema.parse(message.json()).changed)
      histories.set(one.delivery_id, [...(histories.get(one.delivery_id) ?? []), one])
  }
  return [...histories.values()]
}

/** The table and the reconciliation say what was delivered, and find what is done to the table behind their back. */
async function expectTold(): Promise<void> {
  const told = await reconciled()
  expect(told.deliveries).toEqual(
    ['books', 'hook'].map(connection => ({ connection, state: 'posted', deliveries: journals })),
  )
  expect(told.checks.find(({ check }) => check === 'records_delivered')).toMatchObject({
    state: 'agrees',
    compared: 2 * journals,
  })
  expect(differencesOf(told, 'table_deliveries')).toEqual([])
  const url = readInstance(join(folder, 'data'))!.clickhouse_url
  const login = readLogin(join(folder, 'data', 'clickhouse'), 'weir')
  const clickhouse = openClickHouse({ url, ...login, database: 'weir' })
  try {
    const clickhouse_settings = { mutations_sync: '2' } as const
    const hook = `connection = 'hook' AND record_id =`
    const falsify = `ALTER TABLE deliveries UPDATE state = 'refused' WHERE ${hook} 'je_0007' AND state = 'posted'`
    await clickhouse.command({ query: falsify, clickhouse_settings })
    const falsified = await reconciled()
    expect(falsified.ok).toBe(false)
    expect(differencesOf(falsified, 'table_deliveries')).not.toEqual([])
    expect(falsified.deliveries).toContainEqual({ connection: 'hook', state: 'refused', deliveries: 1 })
    await clickhouse.command({
      query: `ALTER TABLE deliveries DELETE WHERE ${hook} 'je_0011'`,
      clickhouse_settings,
    })
    expect(differencesOf(await reconciled(), 'records_delivered').map(({ id }) => id)).toEqual([
      'hook: journal je_0011',
    ])
  } finally {
    await clickhouse.close()
  }
}

async function untilPosted(count: number): Promise<ChangedDelivery[][]> {
  for (;;) {
    const found = await states()
    if (found.filter(history => history.at(-1)?.state === 'posted').length === count) return found
    await sleep(200)
  }
}

test(
  'kill -9 while a receiver takes and does not answer: every record is there, and none twice',
  async () => {
    const arrived = new Set<string>()
    let [cut, hung] = [0, 0]
    receiver.answer = ({ id }, response) => {
      const isFirst = !arrived.has(id)
      arrived.add(id)
      const n = Number(id.slice(3))
      if (!isFirst || (n % 3 !== 0 && n % 30 !== 7)) return false
      // Taken, and the answer is lost.
      if (n % 3 === 0) response.destroy()
      if (n % 3 === 0) cut += 1
      else hung += 1
      return true
    }
    const jsm = await jetstreamManager(nc)
    for (let round = 0; round < 3; round += 1) {
      startWeir()
      for (let n = 0; n < journals / 3; n += 1) {
        await js.publish('postings.default', JSON.stringify(journal((round * journals) / 3 + n)))
      }
      const before = arrived.size
      while (arrived.size < before + 5 || receiver.requests.length < 8 * (round + 1)) await sleep(5)
      await kill('SIGKILL')
    }
    startWeir()
    const histories = await untilPosted(2 * journals)
    await expectTold()
    await kill('SIGTERM')

    const { state } = await jsm.streams.info('POSTINGS')
    expect(state.messages).toBe(journals)
    const expected = Array.from({ length: journals }, (_, n) => journal(n).journal_id)
    expect([...arrived].sort()).toEqual(expected) // the receiver keeps one of each id
    expect(cut).toBeGreaterThan(0)
    expect(hung).toBeGreaterThan(0)
    const bodies = new Map<string, Set<string>>()
    for (const { id, body } of receiver.requests) bodies.set(id, (bodies.get(id) ?? new Set()).add(body))
    for (const [id, told] of bodies) {
      expect(told.size).toBe(1) // a repetition is the same document
      const [body] = told
      expect(JSON.parse(body!).data).toEqual(journal(Number(id.slice(3))))
    }
    // Nothing is sent again that was not looked up.
    for (const history of histories) {
      for (const [at, { state, attempts }] of history.entries()) {
        const last = history[at - 1]?.state
        if (state === 'sending') expect(last).toBe('waiting')
        if (state === 'waiting' && (last === 'sending' || last === 'unclear'))
          expect(attempts.at(-1)?.outcome).toMatch(/^found_|throttled/)
      }
    }
    expect(await readdir(join(folder, 'books'))).toEqual(['default-run_1.parquet'])
    const kept = await recordsInParquet(await readFile(join(folder, 'books', 'default-run_1.parquet')))
    expect(kept.map(({ key }) => key).sort()).toEqual(expected)
  },
  generousMs,
)
