// Sources by Standard Webhooks: the published vectors, the mapping file, and what every kind must pass.

import { expect, test } from 'vitest'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { standardSamples } from '../testing/standard-samples.js'
import { readStandardMapping } from './mapping-file.js'
import { proveStandard } from './signature.js'
import { fromMinorUnits } from './values.js'
import vectors from './vectors.json' with { type: 'json' }

describeConformance(standardSamples)

test('the vectors of the library are proven at their time, and not with a body that differs by one letter', () => {
  for (const { secret, headers, body } of vectors.vectors) {
    const nowMs = Number(headers['webhook-timestamp']) * 1000
    const prove = (text: string) =>
      proveStandard({ headers, body: Buffer.from(text) }, { signing: [secret] }, nowMs)
    expect(prove(body)).toMatchObject({ kind: 'proven', id: headers['webhook-id'] })
    expect(prove(body.replace('ord_1', 'ord_2'))).toEqual({ kind: 'refused', code: 'signature_invalid' })
  }
})

test('bytes that are no UTF-8 prove nothing, though the library would sign a text that replaces them', () => {
  const [{ secret, headers }] = vectors.vectors as [(typeof vectors.vectors)[number]]
  const body = Buffer.from([0x22, 0xff, 0x22])
  const request = standardSamples.request({ name: '', body: '"\ufffd"', id: 'm' }, secret, 1_000)
  expect(proveStandard({ ...request, body }, { signing: [secret] }, 1_000)).toMatchObject({ kind: 'refused' })
  expect(headers).toBeDefined()
})

test('a mapping becomes exact events: map of values, minor units by currency, Unix time, one event for each', async () => {
  const open = await openSamples(standardSamples)
  const [subscription, payments] = standardSamples.good
  expect(await open.events(open.arrivals(subscription))).toEqual([
    {
      ...{ specversion: '1.0', id: 'msg_sub_1_5', source: 'weir:standard:sample', subject: 'acme' },
      ...{ type: 'weir.subscription.amended', time: '2026-11-01T10:00:00Z' },
      data: {
        ...{ subscription_id: 'sub_1', customer_id: 'acme', plan: 'pro', quantities: { seats: '5' } },
        effective_from: '2026-09-21T14:13:20Z',
        sequence: Date.UTC(2026, 10, 1, 10) * 1000,
      },
    },
  ])
  const paid = await open.events(open.arrivals(payments!))
  expect(paid.map(({ id, data }) => [id, data['amount'], data['currency']])).toEqual([
    ['msg_pay/pay_1', '12.50', 'EUR'],
    ['msg_pay/pay_2', '1250', 'JPY'],
  ])
})

test('everything that is wrong with an arrival is said at once', async () => {
  const open = await openSamples({ ...standardSamples, identities: new Map() })
  const [outcome] = await open.outcomes(open.arrivals(standardSamples.missingField))
  expect(outcome).toMatchObject({
    kind: 'waits',
    faults: [
      { code: 'missing_value', pointer: '/version' },
      { code: 'unknown_identity' },
      { code: 'unmapped_value', pointer: '/data/plan' },
      { code: 'missing_value', pointer: '/data/effective_from' },
      { code: 'missing_value', pointer: '/data/quantities/seats' },
    ],
    needs: [{ object: 'customer', system: 'billing', id: 'cus_1' }],
  })
})

test('every fault of a mapping file has its line and the nearest name', () => {
  const text = `rules:
  - typ: ping
    ignore: a test
  - event: weir.subscription.creatd
    data: { customer_id: $.c }
  - event: weir.payment.failed
    data:
      customer_id: { from: "$.c[", as: number }
      amount: { from: $.a, as: minor_units }
`
  const read = readStandardMapping(text, 'm.yaml')
  expect(
    read.kind === 'invalid' && read.problems.map(({ line, code, message }) => [line, code, message]),
  ).toEqual([
    [2, 'unknown_key', expect.stringContaining('name is type')],
    [4, 'missing_field', expect.stringContaining('version')],
    [4, 'unknown_type', expect.stringContaining('weir.subscription.created')],
    [8, 'invalid_path', expect.stringContaining('$.c[')],
    [8, 'invalid_value', expect.stringContaining('as is one of')],
    [9, 'missing_field', expect.stringContaining('currency')],
  ])
})

test('minor units keep every digit', () => {
  expect(fromMinorUnits('123456789012345678901', 'USD')).toBe('1234567890123456789.01')
  expect(fromMinorUnits('-5', 'BHD')).toBe('-0.005')
  expect(fromMinorUnits('5', 'nope')).toBeUndefined()
})
