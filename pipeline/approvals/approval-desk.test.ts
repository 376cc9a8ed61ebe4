// Who may decide, how often, and what holds after that, on a real bucket.

import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createApiKey, keyBucket, rotateApiKey } from '../gateway/api-keys.js'
import type { Caller } from '../gateway/scopes.js'
import { Acts } from '../testing/acts.js'
import { type Broker, silent, startBroker } from '../testing/gateway-fixture.js'
import { ApprovalDesk, approvalsBucket } from './approval-desk.js'
import type { ApprovalSettings } from './settings.js'

const off = { credit_pattern: 'off', repeated_collisions: 'off', write_without_source: 'off' } as const
const large: ApprovalSettings = {
  rules: [{ rule: 'large', version: 2, holds: ['redrive'], amount: { at_least: '100' } }],
  red_flags: off,
}

let broker: Broker
let kv: KV
let keys: KV
let acts: Acts
let number = 0

beforeAll(async () => {
  broker = await startBroker(1)
  kv = await new Kvm(broker.nc).open(approvalsBucket)
  keys = await new Kvm(broker.nc).open(keyBucket)
})

beforeEach(() => {
  acts = new Acts()
  number += 1
})

afterAll(() => broker?.close())

const desk = (settings = large) =>
  new ApprovalDesk({ jsm: broker.jsm, kv, keys, settings, audit: acts, log: silent })
const key = (keyId: string): Caller => ({
  keyId,
  keyName: `${keyId} of finance`,
  scopes: new Set(['approve']),
})
const request = (amount: string) => ({
  kind: 'redrive' as const,
  id: `job_${number}`,
  facts: { amounts: [{ currency: 'USD', amount }] },
  evidence: { events: ['a', 'b'] },
  requestedBy: key('asker'),
})

test('what no rule holds is free and leaves nothing behind', async () => {
  expect(await desk().ask(request('99.99'))).toEqual({ kind: 'free' })
  expect(await desk().answerOf('redrive', `job_${number}`)).toBeUndefined()
  expect(acts.acts).toEqual([])
})

test('what is held stays held when the rules change, until a second person releases it once', async () => {
  const held = await desk().ask(request('100'))
  expect(held).toMatchObject({ kind: 'held' })
  const id = held.kind === 'held' ? held.approvalId : ''
  expect(await desk({ rules: [], red_flags: off }).ask(request('1'))).toEqual(held)
  expect(await desk().get(id)).toMatchObject({
    rules: [{ rule: 'large', version: 2, detail: '100 USD is at least 100' }],
    evidence: { events: ['a', 'b'] },
    requested_by: { key_id: 'asker' },
  })
  expect(await desk().decide(id, 'approved', key('asker'), undefined)).toEqual({ kind: 'own_request' })
  const nobody = { keyId: undefined, scopes: new Set(['admin' as const]) }
  expect(await desk().decide(id, 'approved', nobody, undefined)).toEqual({ kind: 'needs_keys' })
  expect(await desk().answerOf('redrive', `job_${number}`)).toEqual(held)
  const told = new Promise(resolve => {
    const watching = desk()
    watching.onDecision(decision => {
      if (decision.approvalId !== id) return
      watching.close()
      resolve(decision)
    })
    void watching.start()
  })
  expect(await desk().decide(id, 'approved', key('second'), 'checked')).toMatchObject({ kind: 'ok' })
  expect(await told).toMatchObject({ kind: 'redrive', id: `job_${number}`, state: 'approved' })
  expect(await desk().ask(request('100'))).toEqual({ kind: 'free' })
  expect(await desk().decide(id, 'approved', key('second'), undefined)).toMatchObject({ kind: 'ok' })
  expect(await desk().decide(id, 'rejected', key('third'), 'no')).toMatchObject({ kind: 'decided' })
  expect(acts.acts.map(({ act, reason }) => [act, reason])).toEqual([
    ['approval.requested', undefined],
    ['approval.approved', 'checked'],
  ])
})

test('of two decisions at the same moment one counts, and what is rejected never goes out', async () => {
  const held = await desk().ask(request('500'))
  const id = held.kind === 'held' ? held.approvalId : ''
  const both = await Promise.all([
    desk().decide(id, 'rejected', key('second'), 'wrong price'),
    desk().decide(id, 'approved', key('third'), undefined),
  ])
  expect(both.map(({ kind }) => kind).sort()).toEqual(['decided', 'ok'])
  const answer = await desk().ask(request('500'))
  expect(answer.kind).toBe(both[0].kind === 'ok' ? 'rejected' : 'free')
})

test('a key that was rotated, or that whoever asked had made since, is not a second person; a colleague is', async () => {
  const scopes = ['admin' as const]
  const asker = await createApiKey(keys, { name: 'asker', scopes })
  const colleague = await createApiKey(keys, { name: 'colleague', scopes, madeBy: asker.keyId })
  const held = await desk().ask({ ...request('100'), requestedBy: key(asker.keyId) })
  const id = held.kind === 'held' ? held.approvalId : ''
  const rotated = await rotateApiKey(keys, asker.keyId, { overlapMs: 0, madeBy: asker.keyId })
  const next = rotated.kind === 'ok' ? rotated.created.keyId : ''
  const made = await createApiKey(keys, { name: 'somebody else', scopes, madeBy: next })
  const madeByThat = await createApiKey(keys, { name: 'and another', scopes, madeBy: made.keyId })
  for (const keyId of [next, made.keyId, madeByThat.keyId])
    expect(await desk().decide(id, 'approved', key(keyId), undefined), keyId).toEqual({ kind: 'own_request' })
  expect(await desk().decide(id, 'approved', key(colleague.keyId), undefined)).toMatchObject({ kind: 'ok' })
})
