// A real `weir start` with a webhook and a folder: what people hold back waits with its reason, is held across kill -9, and goes
// on by itself, in order, when they let it out. Over the command line and HTTP, as an operator does it.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { WebhookReceiver } from '../../sinks/webhook/testing/fake.js'
import { readStretch } from '../broker/read-stream.js'
import type { IncidentView, SinkView } from './shapes.js'

const generousMs = 180_000
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`

let folder: string
let receiver: WebhookReceiver
let weir: SupervisedWeir
let key: string
let nc: NatsConnection
let js: JetStreamClient
let published = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-flow-'))
  receiver = await WebhookReceiver.start([secret])
  const config = join(folder, 'weir.yaml')
  await writeFile(
    config,
    `partitions: 1
connections:
  - { name: hook, kind: webhook, url: "${receiver.url}", auth: { secrets: [ { variable: HOOK_SECRET } ] } }
  - { name: pilot, kind: file, folder: pilot, format: ndjson, mode: controlled, allow: { customers: [ acme ] }, class: rest }
`,
  )
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: config, HOOK_SECRET: secret } })
  await weir.ready()
  key = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  await reach()
}, generousMs)

afterAll(async () => {
  await nc?.close()
  await weir?.stop()
  await receiver?.close()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function reach(): Promise<void> {
  nc = await connect({ ...weir.nats })
  js = jetstream(nc)
}

async function ask<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await fetch(`${weir.url}${path}`, init)
  return { status: response.status, body: (await response.json()) as T }
}

/** A command that must succeed; what it prints as JSON. */
async function run<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await weir.run(...args, '--json')
  if (code !== 0) throw new Error(`weir ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as T
}

async function sink(name: string): Promise<SinkView> {
  const { body } = await ask<{ sinks: SinkView[] }>('GET', '/v1/sinks')
  return body.sinks.find(one => one.sink === `connection.${name}`)!
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition().valueOf())) await sleep(25)
}

async function publish(...customers: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const customer of customers) {
    published += 1
    const id = `je_${String(published).padStart(4, '0')}`
    await js.publish('postings.de', JSON.stringify(journal(id, customer)))
    ids.push(id)
  }
  return ids
}

function journal(id: string, customer_id: string): JournalEntryWire {
  return {
    journal_id: id,
    idempotency_key: id,
    entity_id: 'de',
    currency: 'EUR',
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
      { account: '1200', role: 'receivable', debit: '1', credit: '0', segments: {} },
      { account: '4000', role: 'revenue', debit: '0', credit: '1', segments: {} },
    ],
    charge_id: `ch_${id}`,
    customer_id,
    contract_id: '',
    subscription_id: 's1',
    subscription_version: 1,
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    performance_obligation: '',
    correlation_id: '',
    source: { billing_run_id: 'run_1', batch_id: 'b1', release_id: '' },
  }
}

const received = (): string[] => receiver.requests.map(({ id }) => id)

async function inPilot(): Promise<string[]> {
  const path = join(folder, 'pilot')
  const files = await readdir(path).catch(() => [])
  const texts = await Promise.all(
    files.filter(name => !name.startsWith('.')).map(name => readFile(join(path, name), 'utf8')),
  )
  return texts
    .flatMap(text => text.trim().split('\n'))
    .map(line => (JSON.parse(line) as JournalEntryWire).journal_id)
}

test(
  'a pause, a mode, a window and a rollout that were set hold after kill -9; what they held goes on in order',
  async () => {
    await run('sinks', 'pause', 'hook', '--reason', 'the receiver moves')
    const ids = await publish('acme', 'bolt', 'acme', 'bolt')
    await until(async () => (await sink('pilot')).in_hand?.held['not_on_allow_list'] === 2)
    await until(async () => (await inPilot()).length === 2)
    expect(await sink('hook')).toMatchObject({ state: 'paused', hold: { code: 'paused' }, behind: 4 })
    const month = ['--from-day', '-1', '--until-day', '3', '--time-zone', 'Europe/Berlin', '--entity', 'us']
    await run('freeze', 'add', 'close-us', ...month, '--reason', 'month end')
    await run('mode', 'read-only', '--reason', 'an audit')
    await nc.close()

    weir.kill('weir')
    await until(
      async () =>
        (await ask('GET', '/v1/mode').catch(() => ({ status: 0 }))).status === 200 &&
        (await sink('hook')).state === 'paused',
    )
    // The broker that answered may still have been the old one, which ends with its parent.
    await until(() =>
      reach().then(
        () => true,
        () => false,
      ),
    )
    expect((await ask('GET', '/v1/mode')).body).toMatchObject({
      mode: 'read_only',
      set: { reason: 'an audit' },
    })
    expect(await run('freeze', 'ls')).toMatchObject([
      { name: 'close-us', entity: 'us', set: { reason: 'month end' } },
    ])
    expect((await sink('hook')).paused).toMatchObject({ reason: 'the receiver moves' })

    await run('sinks', 'resume', 'hook')
    await until(async () => (await sink('hook')).in_hand?.held['read_only'] === 4)
    const readiness = await ask<{ checks: { name: string; detail: string }[] }>('GET', '/readyz?verbose')
    expect(readiness.status).toBe(200)
    expect(readiness.body.checks.find(({ name }) => name === 'flow')?.detail).toMatch(
      /^read_only since .*: an audit$/,
    )
    const metrics = await (await fetch(`${weir.url}/metrics`)).text()
    expect(metrics).toContain('weir_mode{mode="read_only"} 1')
    expect(metrics).toContain('weir_connection_held_records{connection="hook",code="read_only"} 4')
    expect(received()).toEqual([])

    await run('mode', 'normal', '--reason', 'the audit is over')
    await until(() => received().length === 4)
    expect(received()).toEqual(ids)
    expect(await inPilot()).toHaveLength(2)
    await run('sinks', 'mode', 'pilot', 'automatic', '--reason', 'the pilot went well')
    await until(async () => (await inPilot()).length === 4)
    expect(await sink('pilot')).toMatchObject({ rollout: { mode: 'automatic', configured: 'controlled' } })
  },
  generousMs,
)

test(
  'frozen takes no billing run, a preview it does; a window of an entity holds that entity alone, and ends by itself',
  async () => {
    const cutoff = '2026-01-01T00:00:00Z'
    const order = (body: object) =>
      ask<{ code?: string; detail?: string }>('POST', '/v1/billing-runs', { cutoff, ...body })
    await run('mode', 'frozen', '--reason', 'close')
    expect(await order({})).toMatchObject({ status: 409, body: { code: 'frozen' } })
    expect((await order({ preview: true })).status).toBe(201)
    await run('mode', 'normal', '--reason', 'open')

    const untilMs = Date.now() + 3_000
    const window = { from: '2026-01-01T00:00:00Z', until: new Date(untilMs).toISOString() }
    await ask('POST', '/v1/freeze-windows', { name: 'now', entity: 'de', reason: 'close', ...window })
    const before = received().length
    await publish('acme')
    await until(async () => (await sink('hook')).in_hand?.held['frozen'] === 1)
    expect(await order({})).toMatchObject({ status: 409, body: { code: 'frozen' } })
    expect((await order({ entity_id: 'us' })).body.code).toBe('unknown_entity')
    await until(() => received().length > before)
    expect(Date.now()).toBeGreaterThanOrEqual(untilMs)
    expect((await order({})).status).toBe(201)
  },
  generousMs,
)

test(
  'an incident stops everything, is led through step by step, and lets money out before the rest; all of it is on record',
  async () => {
    const before = { hook: received().length, pilot: (await inPilot()).length }
    await run('sinks', 'mode', 'pilot', 'configured', '--reason', 'back to the list')
    // Without --yes and without a terminal nothing is done.
    const asked = await weir.run('incident', '--reason', 'wrong accounts')
    expect(asked.stderr).toContain('Nothing was done')
    expect((await ask<IncidentView>('GET', '/v1/incident')).body.incident).toBeNull()
    await ask('POST', '/v1/incident', { reason: 'wrong accounts' })
    await publish('acme', 'acme')
    await until(async () => (await sink('hook')).in_hand?.held['incident'] === 2)
    expect(await ask('POST', '/v1/incident/steps/money', {})).toMatchObject({
      status: 409,
      body: { code: 'incident_step_not_next' },
    })
    expect(await ask('POST', '/v1/incident/steps/reconcile', { differences: 2 })).toMatchObject({
      status: 409,
      body: { code: 'incident_differs' },
    })
    expect(received()).toHaveLength(before.hook)
    await ask('POST', '/v1/incident/steps/reconcile', { differences: 0 })
    await ask('POST', '/v1/incident/steps/money', {})
    await until(() => received().length === before.hook + 2)
    expect(await inPilot()).toHaveLength(before.pilot)
    const { code, stdout } = await weir.run('incident', '--yes')
    expect([code, stdout.trim().split('\n').at(-1)]).toEqual([
      0,
      'The incident is closed. Everything that was held goes on by itself.',
    ])
    await until(async () => (await inPilot()).length === before.pilot + 2)
    expect(await acts()).toEqual(
      expect.arrayContaining([
        ...['sinks.paused', 'sinks.resumed', 'sinks.mode_changed', 'mode.changed', 'freeze_window.added'],
        ...['incident.opened', 'incident.reconcile_done', 'incident.money_done', 'incident.rest_done'],
      ]),
    )
  },
  generousMs,
)

async function acts(): Promise<string[]> {
  const own = await connect({ ...weir.nats })
  const found: string[] = []
  const stretch = { stream: 'AUDIT', filterSubject: 'audit.entry', from: 1 }
  for await (const message of readStretch(jetstream(own), stretch, new AbortController().signal))
    found.push(message.json<{ act: string }>().act)
  await own.close()
  return found
}
