// A running Weir tells what became of a journal that its receiver refused, and of the correction and the release that wait
// for it; both go without a restart once somebody says so, and are not tried while their exception is discarded, and it is on record who did.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { AuditEntry } from '../../schemas/audit/audit-entry.js'
import { accountId, secrets as orgSecrets, SalesforceFake } from '../../sinks/salesforce/testing/fake.js'
import { journalRecord } from '../../sinks/testing/journal-record.js'
import { WebhookReceiver } from '../../sinks/webhook/testing/fake.js'
import { markTaken } from '../deliver/refused-records.js'
import { until } from '../testing/engine-harness.js'
import type { DeliveryView, OneDeliveryView } from './delivery-view.js'

interface Listed {
  readonly deliveries: readonly DeliveryView[]
}

const generousMs = 300_000
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`
let folder: string
let weir: SupervisedWeir
let receiver: WebhookReceiver
let isMended = false
const org = new SalesforceFake()
const acmeAccount = accountId(1)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-deliveries-'))
  receiver = await WebhookReceiver.start([secret])
  receiver.answer = ({ id }, response) => {
    if (isMended || id !== 'je_1') return false
    response.writeHead(400).end('the period is closed')
    return true
  }
  await org.start()
  org.standing.set(acmeAccount, { Weir_Customer__c: 'acme' })
  const ofOrg = `kind: salesforce, url: "${org.url}", auth: { client_id: weir, client_secret: { variable: SALESFORCE_SECRET } }`
  const config = join(folder, 'weir.yaml')
  await writeFile(
    config,
    `partitions: 1
write_back: { every_seconds: 1 }
connections:
  - { name: hook, kind: webhook, url: "${receiver.url}", auth: { secrets: [ { variable: HOOK_SECRET } ] }, attempts: { most: 1 } }
  - { name: crm, ${ofOrg}, found_by: Weir_Customer__c, fields: { Weir_Exceptions__c: open_exceptions }, allow: { fields: [ Account.Weir_Exceptions__c ] } }
  - { name: support, ${ofOrg}, records: support_cases, exceptions: { owners: [ finance ] }, mode: automatic, case: { of_account: false }, allow: { fields: [ Case.Subject, Case.Description, Case.Status, Case.Weir_Exception__c, CaseComment.CommentBody ] } }
`,
  )
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: config, HOOK_SECRET: secret, ...orgSecrets } })
  await weir.ready()
  await publish(journal('je_1', { customer_id: 'acme' }))
  await publish(journal('je_2', { corrects: 'ch_je_1' }))
  const releases = { journal_id: 'je_1', part: 1, month: '2026-01-01' }
  await publish(journal('je_3', { kind: 'release', releases }))
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await receiver?.close()
  await org.close()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function publish(document: object, natsSubject = 'postings.de'): Promise<void> {
  const nc = await connect({ ...weir.nats })
  await jetstream(nc).publish(natsSubject, JSON.stringify(document))
  await nc.close()
}

/** What the loop of the connection does first when it takes a refused record up again. */
async function take(delivery: string): Promise<void> {
  const nc = await connect({ ...weir.nats })
  expect(await markTaken(await new Kvm(nc).open('weir_sinks'), 'connection.hook', delivery)).toBe(true)
  await nc.close()
}

const journal = (id: string, more: object = {}) => ({
  ...journalRecord(1).document,
  ...{ journal_id: id, idempotency_key: id, entity_id: 'de', charge_id: `ch_${id}`, corrects: '' },
  ...more,
})

async function run<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await weir.run(...args, '--json')
  if (code !== 0) throw new Error(`weir ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as T
}

async function get<T>(path: string): Promise<T> {
  const key = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  const response = await fetch(`${weir.url}${path}`, { headers: { authorization: `Bearer ${key}` } })
  return (await response.json()) as T
}

async function post(path: string, body: object): Promise<number> {
  const key = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const { status } = await fetch(`${weir.url}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return status
}

/** A step of an incident waits until the one before is through. */
const untilDone = (path: string) => until(async () => (await post(path, { reason: 'mended' })) < 300)

/** Waits until je_1, je_2 and je_3 stand so. */
async function untilStates(...states: readonly string[]): Promise<readonly DeliveryView[]> {
  let found: readonly DeliveryView[] = []
  await until(async () => {
    found = (await get<Listed>('/v1/deliveries?connection=hook')).deliveries.toSorted((a, b) =>
      a.record.id.localeCompare(b.record.id),
    )
    return JSON.stringify(found.map(({ state }) => state)) === JSON.stringify(states)
  })
  return found
}

test(
  'how a customer stands is written back: first it is told what would be, then it is held by an incident, then it is written; and an exception makes a case',
  async () => {
    const ofCrm = async () => (await get<Listed>('/v1/deliveries?connection=crm&customer=acme')).deliveries
    await until(async () => /would change/.test((await ofCrm())[0]?.detail ?? ''))
    const [held] = await ofCrm()
    expect(held).toMatchObject({ state: 'held', code: 'read_only', record: { kind: 'customer_standing' } })
    expect(held!.detail).toContain(`Account ${acmeAccount}: Weir_Exceptions__c (nothing) -> 1`)
    const { exceptions } = await get<{ exceptions: readonly { exception_id: string }[] }>(
      '/v1/exceptions?customer=acme',
    )
    await until(() => Promise.resolve(org.cases.keys().length === 1))
    expect(org.cases.keys()).toEqual([exceptions[0]!.exception_id])

    await post('/v1/incident', { reason: 'wrong figures in the CRM' })
    await run('sinks', 'mode', 'crm', 'controlled', '--customer', 'acme', '--reason', 'pilot')
    await until(async () => (await ofCrm())[0]?.code === 'incident')
    expect(org.account(acmeAccount)).not.toHaveProperty('Weir_Exceptions__c')
    expect(await post('/v1/incident/steps/reconcile', { differences: 0, force: true, reason: 'known' })).toBe(
      200,
    )
    for (const step of ['money', 'state', 'rest']) await untilDone(`/v1/incident/steps/${step}`)
    await until(async () => (await ofCrm())[0]?.state === 'posted')
    expect(org.account(acmeAccount)).toMatchObject({ Weir_Exceptions__c: 1 })
  },
  generousMs,
)

test(
  'a refused journal and what waits for it are listed, and go by retry and by release',
  async () => {
    const [refused, correction] = await untilStates('refused', 'held', 'held')
    const listed = await run<Listed>(
      'deliveries',
      'ls',
      '--record',
      'je_1',
      '--customer',
      'acme',
      '--state',
      'refused',
    )
    expect(listed).toMatchObject({ deliveries: [refused], next_after: null })
    expect(refused).toMatchObject({
      connection: 'hook',
      record: { kind: 'journal', id: 'je_1' },
      entity_id: 'de',
    })
    expect(correction).toMatchObject({ code: 'waits_for_record' })
    const shown = await run<OneDeliveryView>('deliveries', 'show', refused!.delivery_id)
    expect(shown.history.map(({ state }) => state)).toEqual(['waiting', 'sending', 'refused'])
    expect(shown.detail).toContain('the period is closed')

    await run('deliveries', 'release', correction!.delivery_id, '--reason', 'posted by hand')
    await untilStates('refused', 'posted', 'held')
    const settled = await weir.run('deliveries', 'retry', correction!.delivery_id, '--reason', 'again')
    expect([settled.code, settled.stderr]).toEqual([1, expect.stringContaining('delivery_settled')])

    const discard = ['--kind', 'refused_delivery', '--reason', 'posted by hand', '--yes']
    await run('exceptions', 'discard', ...discard)
    const [, , release] = await untilStates('refused', 'posted', 'refused')
    expect(release).toMatchObject({ code: 'original_discarded' })
    const inVain = await weir.run('deliveries', 'retry', refused!.delivery_id, '--reason', 'again')
    expect([inVain.code, inVain.stderr]).toEqual([
      1,
      expect.stringMatching(/delivery_discarded.*undo first/s),
    ])
    expect((await run<OneDeliveryView>('deliveries', 'show', refused!.delivery_id)).next).toContain(
      'exceptions undo',
    )
    await run('exceptions', 'undo', ...discard)
    await take(refused!.delivery_id)
    const late = await weir.run('exceptions', 'discard', ...discard)
    expect([late.code, late.stderr]).toEqual([1, expect.stringMatching(/exceptions_changed.*tried again/s)])
    const told = '/v1/audit?act=exception.discard_refused'
    await until(async () => (await get<{ entries: readonly AuditEntry[] }>(told)).entries.length === 1)

    isMended = true
    const which = ['--connection', 'hook', '--code', refused!.code]
    expect(await run('deliveries', 'retry', ...which, '--reason', 'open again', '--yes')).toMatchObject({
      count: 1,
    })
    await untilStates('posted', 'posted', 'refused')
    await run('deliveries', 'retry', release!.delivery_id, '--reason', 'it goes all the same')
    await untilStates('posted', 'posted', 'posted')
    expect(receiver.requests.map(({ id }) => id)).toEqual(['je_1', 'je_2', 'je_1', 'je_3'])

    const { entries } = await get<{ entries: readonly AuditEntry[] }>('/v1/audit?act=delivery.retried')
    const reasons = entries.map(({ reason }) => reason).toSorted()
    expect(reasons).toEqual(['it goes all the same', 'open again'])
  },
  generousMs,
)

test(
  'the first word on a delivery of which nobody knows counts, is on record, and is void once the receiver answers',
  async () => {
    let answer: () => void = () => undefined
    receiver.answer = ({ id }, response) => {
      if (id !== 'je_4') return false
      answer = () => response.writeHead(200).end()
      return true
    }
    await publish(journal('je_4', { customer_id: 'late' }))
    const late = async () => (await get<Listed>('/v1/deliveries?customer=late')).deliveries[0]
    await until(async () => (await late())?.state === 'sending')
    const id = (await late())!.delivery_id
    const settle = (...words: string[]) =>
      weir.run('deliveries', 'settle', id, ...words, '--reason', 'looked')
    expect((await settle()).code).toBe(2)
    expect((await settle('--there', 'doc 7')).code).toBe(0)
    const second = await settle('--absent')
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('delivery_not_unclear')])
    answer()
    await until(async () => (await late())?.state === 'posted')
    expect((await late())!.external_id).not.toBe('doc 7')
    const third = await settle('--there', 'doc 8')
    expect(third.stderr).toContain('delivery_not_unclear')
    const { entries } = await get<{ entries: readonly AuditEntry[] }>('/v1/audit?act=delivery.settled')
    expect(entries.at(-1)).toMatchObject({ reason: 'looked', object: { kind: 'delivery', id } })
  },
  generousMs,
)

test(
  'what a person found at the receiver is posted with its id, and is not sent again',
  async () => {
    receiver.answer = ({ id }, response) => {
      if (id !== 'je_5') return false
      response.writeHead(500).end()
      return true
    }
    const found = async (customer: string) =>
      (await get<Listed>(`/v1/deliveries?customer=${customer}`)).deliveries[0]
    await publish(journal('je_5', { customer_id: 'lost' }))
    await publish(journal('je_6', { customer_id: 'known' })) // who gets through, so that it is no outage
    await until(async () => (await found('known'))?.state === 'posted')
    await publish(journal('je_7', { customer_id: 'known' }))
    await until(async () => (await found('lost'))?.state === 'refused')
    const { delivery_id: id, code } = (await found('lost'))!
    expect(code).toBe('attempts_exhausted')
    await run('deliveries', 'settle', id, '--there', 'doc 5', '--reason', 'seen in the ledger')
    await until(async () => (await found('lost'))?.state === 'posted')
    const { external_id: external, history } = await run<OneDeliveryView>('deliveries', 'show', id)
    expect([external, history.at(-1)?.code]).toEqual(['doc 5', 'settled_by_person'])
  },
  generousMs,
)

test(
  'what is asked of a delivery whose connection was removed is refused, also among others',
  async () => {
    const at = new Date().toISOString()
    const left = { delivery_id: 'dl_left', connection: 'gone', record: { kind: 'journal', id: 'je_9' } }
    const changed = [{ ...left, key: 'je_9', state: 'refused', at, attempts: [], attempt_count: 1 }]
    await publish({ step: 's', taken_up_to: 1, replay_from: 1, changed }, 'deliveries.gone')
    const listed = () => get<Listed>('/v1/deliveries?connection=gone')
    await until(async () => (await listed()).deliveries.length === 1)
    for (const which of [
      ['retry', 'dl_left'],
      ['settle', 'dl_left', '--absent'],
      ['retry', '--state', 'refused'],
    ]) {
      const { code, stderr } = await weir.run('deliveries', ...which, '--reason', 'again')
      expect([code, stderr]).toEqual([1, expect.stringMatching(/connection_removed.*gone/s)])
    }
  },
  generousMs,
)

test(
  'what was mended is told: the account has no exception left, and the case its end',
  async () => {
    await until(() => Promise.resolve(org.account(acmeAccount)['Weir_Exceptions__c'] === 0))
    const isClosed = () => org.comments.all().some(({ document }) => document.status === 'Closed')
    await until(() => Promise.resolve(isClosed()))
    const { checks } = await get<{ checks: readonly { check: string; state: string }[] }>(
      '/v1/reconciliation',
    )
    expect(checks.find(({ check }) => check === 'records_delivered')?.state).toBe('agrees')
    for (const keys of [org.cases.keys(), org.comments.keys()]) expect(new Set(keys).size).toBe(keys.length)
  },
  generousMs,
)
