// Recurly: the conformance suite on its fake, and what is special to it.

import * as recurly from 'recurly'
import { afterEach, describe, expect, test } from 'vitest'
import type { ChargeWire } from '../../schemas/billing/charge.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { batchLineRecord } from '../testing/batch-line-record.js'
import { conformanceOf } from '../testing/conformance.js'
import { openConnector } from '../testing/open-connector.js'
import { recurlyKind } from './kind.js'
import { RecurlyFake, type RecurlyFakeOptions, secrets } from './testing/fake.js'

/** What this test needs of the package; its own types leave the adapters out. */
interface Package {
  readonly Client: new (
    key: string,
    options: object,
  ) => {
    createUsage(subscription: string, addOn: string, body: object): Promise<{ id: string }>
    listUsage(
      subscription: string,
      addOn: string,
      options: object,
    ): { each(): AsyncIterable<{ merchantTag: string; amount: number; usageTimestamp: Date }> }
  }
  readonly HttpAdapter: new () => object
  readonly HttpResponse: new (status: number, headers: object, body: string) => object
}

const { Client, HttpAdapter, HttpResponse } = (recurly as unknown as { readonly default: Package }).default

const fakes: RecurlyFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(options: RecurlyFakeOptions = {}): Promise<RecurlyFake> {
  const fake = await new RecurlyFake(options).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: RecurlyFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

conformanceOf({
  name: 'Recurly',
  start: nowMs => new RecurlyFake({ nowMs }).start(),
  faults: [
    'timeout_before_commit',
    'timeout_after_commit',
    '429_without',
    '429_with_retry_after',
    '500_then_ok',
    '500_after_commit',
    'outage',
    'credentials_refused',
    'hang',
  ],
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => batchLineRecord(n),
})

test('a line is one usage record of its add-on, under our key, with all digits of its quantity', async () => {
  const fake = await fakeWith({ decimals: 9 })
  const quantity = '90071992547409.930000001'
  expect(await putOne(fake, batchLineRecord(1, { quantity }))).toEqual({
    kind: 'accepted',
    externalId: 'us_1001',
  })
  const [text = ''] = fake.sentTexts()
  expect(text).toMatch(/^POST \/subscriptions\/s_1\/add_ons\/code-calls\/usage\n/)
  expect(text).toContain('authorization: Basic [secret]')
  expect(fake.usages.visible()[0]?.document.text).toBe(
    `{"merchant_tag":"bl_0001","amount":${quantity},"recording_timestamp":"2026-11-01T00:00:00Z","usage_timestamp":"2026-10-31T23:59:59Z"}`,
  )
})

test('with quantity: amount it is the amount in minor units, and negative where the line gives back', async () => {
  const fake = await fakeWith({ quantity: 'amount' })
  const credit = { kind: 'adjustment', amount_rounded: '-12.34', corrects: 'ch_0' } as const
  expect(await putOne(fake, batchLineRecord(1, credit))).toMatchObject({ kind: 'accepted' })
  await putOne(fake, batchLineRecord(2, { amount_rounded: '90071992547409.93' }))
  await putOne(fake, batchLineRecord(3, { amount_rounded: '500', currency: 'JPY' }))
  const amounts = fake.usages.visible().map(({ document }) => /"amount":([^,]*)/.exec(document.text)?.[1])
  expect(amounts).toEqual(['-1234', '9007199254740993', '500'])
})

test('a usage is found among hundreds of its add-on and its second, and only by its own tag', async () => {
  const fake = await fakeWith()
  await putOne(fake, batchLineRecord(1))
  const [own] = fake.usages.visible()
  for (let n = 0; n < 450; n += 1) fake.usages.add('x', { ...own!.document, merchant_tag: 'x' }, 0)
  await putOne(fake, batchLineRecord(2, { subscription_id: 's_1' }))
  const connector = await fake.connector()
  expect(await connector.find(batchLineRecord(2, { subscription_id: 's_1' }), signal)).toMatchObject({
    kind: 'there',
    state: 'posted',
  })
  expect(await connector.find(batchLineRecord(3, { subscription_id: 's_1' }), signal)).toEqual({
    kind: 'absent',
  })
})

test('the package of Recurly reads what we wrote, and the fake takes what the package writes', async () => {
  const fake = await fakeWith()
  class ToFake extends HttpAdapter {
    async execute(method: string, url: string, headers: Record<string, string>, body: string | null) {
      const answer = await fetch(url.replace('https://v3.recurly.com', fake.url), { method, headers, body })
      return new HttpResponse(answer.status, Object.fromEntries(answer.headers), await answer.text())
    }
  }
  const client = new Client(secrets['RECURLY_KEY']!, { httpAdapter: new ToFake() })
  await putOne(fake, batchLineRecord(1))
  const usageTimestamp = new Date('2026-10-31T23:59:59Z')
  await client.createUsage('s_1', 'code-calls', { merchantTag: 'by hand', amount: 3, usageTimestamp })
  const read: unknown[] = []
  const params = { billingStatus: 'all', beginTime: usageTimestamp, endTime: usageTimestamp }
  for await (const { merchantTag, amount } of client.listUsage('s_1', 'code-calls', { params }).each())
    read.push([merchantTag, amount])
  expect(read).toEqual([
    ['bl_0001', 20],
    ['by hand', 3],
  ])
})

describe('what Recurly cannot take is refused in words', () => {
  const refusals: readonly (readonly [string, Partial<ChargeWire>, object])[] = [
    [
      'decimals that the site would cut off',
      { quantity: '1.5' },
      { code: 'invalid_record', detail: expect.stringContaining('keeps 0 decimals') },
    ],
    ['a price that nothing maps', { price: 'other' }, { code: 'unmapped_value' }],
    [
      'a subscription that is not there',
      { subscription_id: 'gone' },
      { code: 'receiver_refused', detail: 'not_found; There is no such subscription.; subscription_id' },
    ],
  ]
  for (const [claim, changes, expected] of refusals) {
    test(claim, async () => {
      const fake = await fakeWith()
      expect(await putOne(fake, batchLineRecord(1, changes))).toMatchObject({ kind: 'refused', ...expected })
      expect(fake.usages.keys()).toEqual([])
    })
  }
})

test('at its own rate the bound of a page is whole milliseconds, as timers take it', async () => {
  const fake = await fakeWith()
  const { attemptMs } = await openConnector(recurlyKind, fake.settings(), { secrets, nowMs: Date.now })
  expect(attemptMs).toBe(60_667)
})

test('a wrong key stops the connection, and the key is not kept', async () => {
  const fake = await fakeWith()
  const outcome = await putOne(fake, batchLineRecord(1), { secrets: { RECURLY_KEY: 'another-key-1' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('another-key-1')
})
