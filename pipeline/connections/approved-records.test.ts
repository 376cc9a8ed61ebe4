// The gate of a connection's records with a real bucket of approvals: what is held while facts are missing, what they come
// to when they are not known, and that only a decision frees what was held.

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@clickhouse/client'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runsBucket } from '../../schemas/billing/billing-run.js'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { ApprovalDesk, approvalsBucket } from '../approvals/approval-desk.js'
import type { ApprovalSettings } from '../approvals/settings.js'
import { openGates } from '../deliver/status-gates.js'
import { freeGate } from '../deliver/testing/flow-gates.js'
import { keyBucket } from '../gateway/api-keys.js'
import { Acts } from '../testing/acts.js'
import { type Broker, silent, startBroker } from '../testing/gateway-fixture.js'
import { ApprovedRecords } from './approved-records.js'
import { RecordFacts } from './record-facts.js'

const off = { credit_pattern: 'off', repeated_collisions: 'off', write_without_source: 'off' } as const
const rules: ApprovalSettings = {
  rules: [
    { rule: 'back', version: 1, holds: ['delivery'], connections: ['sap'], reversal_without_invoice: true },
    { rule: 'large', version: 1, holds: ['delivery'], connections: ['sap'], amount: { at_least: '100' } },
  ],
  red_flags: off,
}
const second = { keyId: 'second', keyName: 'second', scopes: new Set(['approve' as const]) }
/** Not asked: nothing listens there. */
const clickhouse = createClient({ url: 'http://127.0.0.1:9' })

let broker: Broker
let kv: KV
let keys: KV
let runs: KV

beforeAll(async () => {
  broker = await startBroker(1)
  const kvm = new Kvm(broker.nc)
  ;[kv, runs] = [await kvm.open(approvalsBucket), await kvm.open(runsBucket)]
  keys = await kvm.open(keyBucket)
})

afterAll(async () => {
  await clickhouse.close()
  await broker?.close()
})

async function open(settings: ApprovalSettings, isDelivered = async () => true) {
  const { jsm } = broker
  const desk = new ApprovalDesk({ jsm, kv, keys, settings, audit: new Acts(), log: silent })
  await desk.start()
  const facts = new RecordFacts({ jsm, runs, clickhouse, approvals: desk, isDelivered })
  const gate = new ApprovedRecords({
    flow: freeGate,
    gates: openGates,
    approvals: desk,
    facts,
    nowMs: () => 1_000,
  })
  return { desk, ask: (record: ConnectorRecord, to = 'sap') => gate.record(to, record, []), gate }
}

const journal = (id: string, amount: string): ConnectorRecord => ({
  ...{ kind: 'journal', id, key: id, recordedAt: '2026-01-01T00:00:00Z' },
  document: {
    ...{ entity_id: 'de', customer_id: 'acme', currency: 'EUR', charge_id: `ch_${id}` },
    lines: [{ debit: amount }, { debit: '0' }],
    source: { billing_run_id: 'br_gone', batch_id: 'batch_gone' },
  },
})

test('a record waits while ClickHouse is behind, and of a batch that is not held any more it is held as not known', async () => {
  let isDelivered = false
  const { ask, desk } = await open(rules, async () => isDelivered)
  expect(await ask(journal('je_1', '7'))).toMatchObject({ code: 'waiting_approval', untilMs: 3_000 })
  expect(await ask(journal('je_1', '700'), 'hook')).toBeUndefined() // no rule chooses it: nothing is asked
  expect([await desk.list(), desk.waiting().size]).toEqual([[], 0])
  isDelivered = true
  const release = journal('je_0', '7')
  expect(
    await ask({ ...release, kind: 'release', document: { ...release.document, kind: 'release' } }),
  ).toBeUndefined()
  const held = await ask(journal('je_1', '7'))
  const [approval] = await desk.list()
  const detail = `${approval!.approval_id} waits for a second person`
  expect(held).toEqual({ code: 'waiting_approval', detail })
  expect(approval).toMatchObject({
    object_id: deliveryIdOf('sap', journal('je_1', '7')),
    rules: [{ rule: 'back', detail: 'whether ch_je_1 (acme) takes something back is not known' }],
    facts: { amounts: [{ currency: 'EUR', amount: '7' }] },
    evidence: { document: { charge_id: 'ch_je_1' }, line: null, attempts: [] },
    requested_by: null,
  })
  expect(desk.waiting()).toEqual(new Map([['delivery', 1]]))
  desk.close()
})

test('without its rule a record stays held in another process, until somebody decides; a decision is told at once', async () => {
  const { ask, desk, gate } = await open({ rules: [], red_flags: off })
  const record = journal('je_1', '7')
  const waits = await ask(record)
  expect(waits).toMatchObject({ code: 'waiting_approval' })
  const told = new Promise<void>(resolve => gate.onChange(resolve))
  const [approval] = await desk.list()
  expect(await desk.decide(approval!.approval_id, 'approved', second, undefined)).toMatchObject({
    kind: 'ok',
  })
  await told
  expect(await ask(record)).toBeUndefined()
  desk.close()
})

test('what is rejected never goes, and its neighbour is free', async () => {
  const { ask, desk } = await open({ ...rules, rules: rules.rules.slice(1) })
  expect(await ask(journal('je_2', '99.99'))).toBeUndefined()
  expect(await ask(journal('je_3', '100'))).toMatchObject({ code: 'waiting_approval' })
  const [approval] = (await desk.list()).filter(one => one.state === 'waiting')
  await desk.decide(approval!.approval_id, 'rejected', second, 'twice')
  while ((await ask(journal('je_3', '100')))?.code === 'waiting_approval') await sleep(5)
  const detail = `${approval!.approval_id} was rejected: twice`
  expect(await ask(journal('je_3', '100'))).toEqual({ isFinal: true, code: 'rejected_by_approval', detail })
  desk.close()
})
