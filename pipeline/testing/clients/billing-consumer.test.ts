// The consumer of docs/consuming-billing.md, run as a process against a running Weir, as a billing team would: with
// @nats-io/jetstream, the user `consumer`, and a key of its own; and the one that needs HTTP alone. Nothing here but what the
// page says.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { builtFile, packageRoot } from '../../../schemas/package-root.js'
import { environment } from '../../environment.js'
import { until } from '../engine-harness.js'

const generousMs = 300_000
const root = fileURLToPath(packageRoot)
const page = readFileSync(join(root, 'docs/consuming-billing.md'), 'utf8')

/** The one block of a language on the page. */
function block(language: string): string {
  const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))]
  expect(found).toHaveLength(1)
  return found[0]![1]!
}

interface Batch {
  readonly batch_id: string
  readonly billing_run_id: string
  readonly entity_id: string
  readonly lines: readonly unknown[]
  readonly control: { readonly sha256: string }
  readonly acknowledgement?: {
    readonly acknowledged_at: string | null
    readonly acknowledged_by: object | null
  }
}

let weir: SupervisedWeir
let folder: string
let books: string
let adminKey: string
let billingKey: { readonly key_id: string; readonly token: string }

async function call<T>(path: string, body?: unknown, key = adminKey): Promise<T> {
  const response = await fetch(`${weir.url}${path}`, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  expect([200, 201, 202], await response.clone().text()).toContain(response.status)
  return (await response.json()) as T
}

const plan = {
  plan: 'pro',
  version: 1,
  currency: 'EUR',
  billing_period: 'month',
  prices: [{ price: 'base', kind: 'recurring', amount: '29.99', per: 'subscription', timing: 'in_advance' }],
}

function created(customer: string, entity: string): object {
  const data = {
    subscription_id: `sub ${customer}`,
    customer_id: customer,
    entity_id: entity,
    contract_id: 'Vertrag "Größe" \\ 7',
    sequence: 1,
    plan: 'pro',
    effective_from: '2026-01-01T00:00:00Z',
  }
  return {
    specversion: '1.0',
    source: 'crm',
    id: customer,
    type: 'weir.subscription.created',
    subject: customer,
    data,
  }
}

/** Bills what is due by the cutoff; returns the run's id once its batches are published. */
async function bill(cutoff: string, batches: number): Promise<string> {
  const { billing_run_id: id } = await call<{ billing_run_id: string }>('/v1/billing-runs', { cutoff })
  await until(async () => (await runOf(id)).batches.published === batches)
  return id
}

interface Run {
  readonly status: string
  readonly batches: { readonly published: number; readonly acknowledged: number }
}

const runOf = (id: string) => call<Run>(`/v1/billing-runs/${id}`)
const listOf = async (id: string) =>
  (await call<{ batches: Batch[] }>(`/v1/billing-runs/${id}/batches`)).batches

const booked = (from = books): Batch[] =>
  existsSync(from)
    ? readFileSync(from, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Batch)
    : []

interface Running {
  readonly child: ChildProcess
  readonly errors: () => string
  stop(): Promise<number | null>
}

/** `into`: the file that it books in; others book in theirs. */
function startConsumer(into = books): Running {
  const { PATH } = environment()
  const login = weir.natsAs('consumer')
  const env = {
    PATH,
    NATS_URL: String(login.servers),
    NATS_PASSWORD: login.pass,
    WEIR_URL: weir.url,
    WEIR_API_KEY: billingKey.token,
    BOOKS: into,
  }
  const child = spawn(process.execPath, [join(folder, 'billing-consumer.mjs')], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr?.on('data', (part: Buffer) => {
    errors += part.toString()
  })
  const ended = new Promise<number | null>(resolve => child.on('exit', resolve))
  return {
    child,
    errors: () => errors,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

beforeAll(async () => {
  mkdirSync(join(root, '.cache'), { recursive: true })
  folder = mkdtempSync(join(root, '.cache', 'billing-consumer-'))
  books = join(folder, 'booked.ndjson')
  writeFileSync(join(folder, 'billing-consumer.mjs'), block('js'))
  writeFileSync(join(folder, 'billing-over-http.mjs'), block('javascript'))
  writeFileSync(join(folder, 'verify.py'), block('python'))
  weir = await SupervisedWeir.start()
  await weir.ready()
  adminKey = readFileSync(join(weir.dataDir, 'api-key'), 'utf8').trim()
  billingKey = await call('/v1/keys', { name: 'billing team', scopes: ['billing'] })
  const catalog = {
    specversion: '1.0',
    source: 'crm',
    id: 'catalog',
    type: 'weir.catalog.published',
    data: { catalog: { meters: [], plans: [plan] } },
  }
  const events = [catalog, created('zürich', 'ch'), created('acme', 'de'), created('b & c', 'de')]
  expect(await call('/v1/events', events)).toMatchObject({ accepted: 4, rejected: [] })
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}, generousMs)

let january: string

test(
  'it books each batch once, and the run tells that it took them, when and by which key',
  async () => {
    const consumer = startConsumer()
    january = await bill('2026-01-15T00:00:00Z', 2)
    await until(async () => (await runOf(january)).status === 'acknowledged')
    expect(await consumer.stop(), consumer.errors()).toBe(0)
    const listed = await listOf(january)
    expect(booked()).toEqual(listed.map(({ acknowledgement: _, ...sealed }) => sealed))
    expect(booked().map(batch => [batch.entity_id, batch.lines.length])).toEqual([
      ['ch', 1],
      ['de', 2],
    ])
    const by = { kind: 'api_key', id: billingKey.key_id, name: 'billing team' }
    for (const { acknowledgement } of listed)
      expect(acknowledgement).toEqual({
        acknowledged_at: expect.stringMatching(/^20\d\d-.*Z$/),
        acknowledged_by: by,
      })
  },
  generousMs,
)

test('acknowledging again, with another key, keeps the first', async () => {
  const [first] = await listOf(january)
  const path = `/v1/billing-runs/${january}/batches/${first!.batch_id}/ack`
  expect(await call(path, {})).toEqual({ batch_id: first!.batch_id, ...first!.acknowledgement })
  expect(await listOf(january)).toMatchObject([{ acknowledgement: first!.acknowledgement }, {}])
})

test('the command shows when and by whom', () => {
  const command = [fileURLToPath(builtFile('pipeline/cli/weir.js')), 'billing-run', 'batches', january]
  const shown = execFileSync(process.execPath, [...command, '--url', weir.url, '--api-key', adminKey], {
    encoding: 'utf8',
  })
  expect(shown).toMatch(/acknowledged +by/)
  expect(
    shown.match(new RegExp(`20\\d\\d-\\S+Z +key billing team \\(${billingKey.key_id}\\)`, 'g')),
  ).toHaveLength(2)
})

test('Python finds the same hash of what was booked and of the test vector, and of nothing else', () => {
  const vector = block('json').trim()
  const verify = (input: string) =>
    execFileSync('python3', [join(folder, 'verify.py')], { input, encoding: 'utf8' })
      .trim()
      .split('\n')
  const good = [...booked(), JSON.parse(vector) as Batch]
  expect(verify(`${readFileSync(books, 'utf8')}${vector}\n`)).toEqual(
    good.map(({ batch_id, control }) => `${batch_id} is what was sealed ${control.sha256}`),
  )
  expect(verify(`${vector.replace('0.10', '0.11')}\n`)).toEqual([expect.stringContaining('vector is NOT')])
  // The consumer's own way, on the vector.
  const hashOf = /const hashOf = [\s\S]*?\n\n/.exec(block('js'))![0]
  const script = `import { createHash } from 'node:crypto'\n${hashOf}const { lines } = ${vector}\nprocess.stdout.write(hashOf(lines))`
  const own = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(own).toBe((JSON.parse(vector) as Batch).control.sha256)
})

test(
  'a batch that is acknowledged over NATS alone is told as such',
  async () => {
    const run = await bill('2026-02-15T00:00:00Z', 2)
    expect(await listOf(run)).toMatchObject([{ acknowledgement: null }, { acknowledgement: null }])
    expect(await runOf(run)).toMatchObject({ status: 'published', batches: { acknowledged: 0 } })
    const nats = await connect(weir.natsAs('consumer'))
    const reader = await jetstream(nats, { domain: 'weir' }).consumers.get('BILLING', 'reader')
    for (let i = 0; i < 2; i += 1) await (await reader.next())!.ackAck()
    await nats.close()
    const by = { kind: 'nats_consumer', id: 'reader' }
    expect((await listOf(run)).map(one => one.acknowledgement)).toEqual([
      { acknowledged_at: null, acknowledged_by: by },
      { acknowledged_at: expect.stringMatching(/^20\d\d-.*Z$/), acknowledged_by: by },
    ])
    expect(await runOf(run)).toMatchObject({ status: 'acknowledged' })
  },
  generousMs,
)

test('both consumers are shorter than 40 lines', () => {
  const lines = (text: string) => text.split('\n').filter(line => line !== '').length
  expect(lines(block('js'))).toBeLessThan(40)
  expect(lines(block('javascript'))).toBeLessThan(40)
})

test(
  'the consumer without NATS takes all pages of what is not acknowledged, once',
  async () => {
    const entities = Array.from({ length: 12 }, (_, n) => created(`paged-${n}`, `e-${n}`))
    await call('/v1/events', entities)
    const run = await bill('2026-03-15T00:00:00Z', 14)
    const into = join(folder, 'over-http.ndjson')
    const take = () =>
      execFileSync(process.execPath, [join(folder, 'billing-over-http.mjs')], {
        env: { WEIR_URL: weir.url, WEIR_API_KEY: billingKey.token, BOOKS: into },
      })
    take()
    expect(await runOf(run)).toMatchObject({ status: 'acknowledged' })
    const sealed = (await listOf(run)).map(({ acknowledgement: _, ...batch }) => batch)
    expect(booked(into)).toEqual(sealed)
    expect(booked(into)).toHaveLength(14)
    take()
    expect(booked(into)).toHaveLength(14)
  },
  generousMs,
)

test(
  'of two consumers of one durable each gets a batch that the other has not, and takes over what the other left when it was killed',
  async () => {
    const nats = await connect(weir.nats)
    const jsm = await jetstreamManager(nats)
    // Longer than a busy machine takes from booking to acknowledging: what is not acknowledged by then goes to the other.
    await jsm.consumers.update('BILLING', 'reader', { ack_wait: nanos(5_000) })
    await nats.close()
    const [one, other] = [join(folder, 'one.ndjson'), join(folder, 'other.ndjson')]
    const killed = startConsumer(one)
    const survivor = startConsumer(other)
    const run = await bill('2026-04-15T00:00:00Z', 14)
    await until(() => booked(one).length > 0)
    killed.child.kill('SIGKILL')
    await until(async () => (await runOf(run)).status === 'acknowledged')
    expect(await survivor.stop(), survivor.errors()).toBe(0)
    const ids = (await listOf(run)).map(batch => batch.batch_id)
    const byOne = booked(one)
      .map(batch => batch.batch_id)
      .filter(id => ids.includes(id))
    const byOther = booked(other)
      .map(batch => batch.batch_id)
      .filter(id => ids.includes(id))
    expect([...new Set([...byOne, ...byOther])].sort()).toEqual([...ids].sort())
    expect(new Set(byOther).size).toBe(byOther.length)
    // It may have booked the batch on which it died, and not acknowledged it.
    expect(byOne.length + byOther.length - ids.length).toBeLessThanOrEqual(1)
  },
  generousMs,
)

test(
  'a batch that is not what was sealed is not booked',
  async () => {
    const before = booked()
    const forged = {
      ...before[0]!,
      batch_id: 'forged',
      lines: [{ ...(before[0]!.lines[0] as object), amount: '0' }],
    }
    const nats = await connect(weir.nats)
    await jetstream(nats).publish(`billing.ch.${january}`, JSON.stringify(forged))
    await nats.close()
    const consumer = startConsumer()
    await until(() => consumer.errors().includes('forged is not what was sealed'))
    expect(await consumer.stop()).toBe(0)
    // A batch that an earlier consumer was given and did not acknowledge may come again meanwhile, and is rightly booked.
    expect(booked()).toEqual(expect.arrayContaining(before))
    expect(booked().filter(one => one.batch_id === 'forged')).toEqual([])
  },
  generousMs,
)
