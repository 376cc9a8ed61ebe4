// What a billing run seals: what is due, once; and what changed since, as credit and rebill.

import { expect, test } from 'vitest'
import { formatScaled, parseDecimal } from '../../../schemas/money/decimal.js'
import { nsOf } from '../../../schemas/time.js'
import { change, created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'

const feb1 = '2026-02-01T00:00:00Z'
const day = (text: string) => `2026-${text}T00:00:00Z`
const nowMs = Date.UTC(2026, 0, 20)

interface Line {
  readonly [field: string]: unknown
}

/** A bench, and its runs by number. */
class Billing extends TestBench {
  #runs = 0
  readonly billed = new Map<string, bigint>()

  run(cutoff: string, more: { entityId?: string; preview?: boolean; billingRunId?: string } = {}): Line[] {
    this.#runs += 1
    const order = { billingRunId: `run_${this.#runs}`, cutoffNs: nsOf(Date.parse(cutoff)), ...more }
    const lines = this.send([], nowMs, [order])
      .outputs.filter(one => one.table === 'sealed')
      .flatMap(one => Buffer.from(one.bytes).toString('utf8').trim().split('\n'))
      .map(line => JSON.parse(line) as Line)
    expect(lines.at(-1)).toMatchObject({ line_count: lines.length - 1, end: true })
    return lines.slice(0, -1)
  }

  change(...events: readonly TestEvent[]): void {
    this.send(events)
    this.answer()
  }
}

/** Price, kind, first and last day, amount: sorted. */
function told(lines: readonly Line[]): string[] {
  return lines
    .map(line => {
      const { from, until } = line['service_period'] as { from: string; until: string }
      return [
        line['price'],
        line['kind'],
        `${from.slice(5, 10)}..${until.slice(5, 10)}`,
        line['amount'],
      ].join(' ')
    })
    .sort()
}

function total(lines: readonly Line[]): string {
  const amounts = lines.map(line => parseDecimal(String(line['amount'])))
  return formatScaled(amounts.reduce((sum, one) => sum + (one.kind === 'ok' ? one.value : 0n), 0n))
}

test('a run takes the usage of the period that ended and the fee of the one that begins', () => {
  const bench = new Billing()
  bench.send([created(), usage(day('01-02'), 3)])
  expect(told(bench.run(day('01-01')))).toEqual(['base recurring 01-01..02-01 30'])
  expect(told(bench.run('2026-01-31T23:59:59.999Z'))).toEqual([])
  expect(told(bench.run(feb1))).toEqual(['base recurring 02-01..03-01 30', 'tokens usage 01-01..02-01 1.5'])
})

test('a run is sealed once, whatever is ordered again', () => {
  const bench = new Billing()
  bench.send([created(), usage(day('01-02'), 3)])
  const order = { billingRunId: 'once', cutoffNs: nsOf(Date.parse(feb1)) }
  expect(bench.send([], nowMs, [order]).sealedRuns).toEqual(['once'])
  const again = bench.send([], nowMs, [order])
  expect([again.sealedRuns, again.outputs, again.changed]).toEqual([[], [], false])
  expect(bench.run(feb1)).toEqual([])
})

test('usage that comes late is credited and rebilled by the next run, and so is usage that is taken back', () => {
  const bench = new Billing()
  const second = usage(day('01-03'), 1)
  bench.send([created(), usage(day('01-02'), 3)])
  const charged = bench.run(feb1).find(line => line['price'] === 'tokens')!
  bench.send([second])
  const [one, two] = bench.run(feb1).sort((a, b) => String(a['amount']).localeCompare(String(b['amount'])))
  expect(one).toMatchObject({ kind: 'adjustment', quantity: '-3', amount: '-1.5', amount_rounded: '-1.5' })
  expect(two).toMatchObject({ kind: 'adjustment', quantity: '4', amount: '2', amount_rounded: '2' })
  expect([one, two].map(line => line?.['corrects'])).toEqual([charged['charge_id'], charged['charge_id']])
  expect(new Set([charged, one, two].map(line => line?.['charge_id'])).size).toBe(3)
  const data = { event_source: 'api', event_id: second['id'] }
  bench.change(change('', 0, feb1, data), {
    ...change('x', 0, feb1, data),
    type: 'weir.usage.retracted',
    data,
  })
  expect(told(bench.run(feb1))).toEqual([
    'tokens adjustment 01-01..02-01 -2',
    'tokens adjustment 01-01..02-01 1.5',
  ])
  expect(bench.sum()).toBe('1.5')
})

test('a cancellation inside a period that is paid for becomes credit and rebill of the next run', () => {
  const bench = new Billing()
  bench.send([created()])
  bench.run(feb1)
  bench.change(change('cancelled', 2, day('02-15')))
  expect(told(bench.run(day('02-20')))).toEqual([
    'base adjustment 02-01..02-15 15',
    'base adjustment 02-01..03-01 -30',
  ])
  expect(told(bench.run(day('03-01')))).toEqual([])
})

test('an upgrade inside a period is credit, rebill, and a charge of its own from then on', () => {
  const bench = new Billing()
  bench.send([created({ plan: 'max', quantities: { seats: '2' } })])
  bench.run(feb1)
  bench.change(change('amended', 2, day('02-15'), { quantities: { seats: '4' } }))
  expect(told(bench.run(day('02-10')))).toEqual([
    'seats adjustment 02-01..02-15 10',
    'seats adjustment 02-01..03-01 -20',
  ])
  expect(told(bench.run(day('02-15')))).toEqual(['seats recurring 02-15..03-01 20'])
  // It was not to be, after all.
  bench.change(change('amended', 3, day('02-15'), { quantities: { seats: '2' } }))
  expect(told(bench.run(day('02-16')))).toEqual([
    'seats adjustment 02-01..02-15 -10',
    'seats adjustment 02-01..03-01 20',
    'seats adjustment 02-15..03-01 -20',
  ])
})

test('a suspension ends the period that was paid for, and its end begins another', () => {
  const bench = new Billing()
  bench.send([created()])
  bench.run(feb1)
  bench.change(change('suspended', 2, day('02-08')), change('resumed', 3, day('02-15')))
  expect(told(bench.run(day('02-20')))).toEqual([
    'base adjustment 02-01..02-08 7.5',
    'base adjustment 02-01..03-01 -30',
    'base recurring 02-15..03-01 15',
  ])
})

test('a change back-dated to before the period leaves nothing to rebill: there is only the credit', () => {
  const bench = new Billing()
  bench.send([created()])
  bench.run(feb1)
  bench.change(change('cancelled', 2, day('01-15')))
  const lines = bench.run(feb1)
  expect(told(lines)).toEqual([
    'base adjustment 01-01..01-15 13.548387096774',
    'base adjustment 01-01..02-01 -30',
    'base adjustment 02-01..03-01 -30',
  ])
  // Reinstated: what was credited is billed again, still as a correction of the same charge.
  bench.change(
    change('amended', 3, day('01-15'), { effective_until: null }),
    change('resumed', 4, day('01-15')),
  )
  const back = bench.run(feb1)
  expect(told(back)).toEqual([
    'base adjustment 01-01..01-15 -13.548387096774',
    'base adjustment 01-01..02-01 30',
    'base adjustment 02-01..03-01 30',
  ])
  expect(total([...lines, ...back])).toBe('0')
})

test('what is cancelled before it is billed is billed as it is known', () => {
  const bench = new Billing()
  bench.send([created()])
  bench.change(change('cancelled', 2, day('02-15')))
  expect(told(bench.run(feb1))).toEqual(['base recurring 01-01..02-01 30', 'base recurring 02-01..02-15 15'])
})

test('a subscription that begins later is billed when it begins, a trial when it ends', () => {
  const bench = new Billing()
  const later = change('created', 1, day('03-10'), {
    plan: 'pro',
    subscription_id: 'sub_2',
    billing_anchor: day('03-01'),
  })
  bench.send([created({ trial_until: day('01-11') }), later])
  expect(told(bench.run(day('01-10')))).toEqual(['base recurring 01-01..01-11 0'])
  expect(told(bench.run(day('01-11')))).toEqual(['base recurring 01-11..02-01 20.322580645161'])
  const march = bench.run(day('03-10')).filter(line => line['subscription_id'] === 'sub_2')
  expect(told(march)).toEqual(['base recurring 03-10..04-01 21.290322580645'])
})

test('a run with an earlier cutoff leaves what a later one billed, and takes what changed since', () => {
  const bench = new Billing()
  bench.send([created(), usage(day('02-02'), 3)])
  bench.run(day('03-01'))
  expect(bench.run(feb1)).toEqual([])
  const newcomer = change('created', 1, day('01-01'), {
    plan: 'pro',
    subscription_id: 'sub_2',
    customer_id: 'cus_2',
  })
  bench.send([usage(day('02-03'), 1), { ...newcomer, subject: 'cus_2' }])
  expect(told(bench.run(feb1))).toEqual([
    'base recurring 01-01..02-01 30',
    'base recurring 02-01..03-01 30',
    'tokens adjustment 02-01..03-01 -1.5',
    'tokens adjustment 02-01..03-01 2',
  ])
})

test('a charge in arrears that ends later than it was billed for is credited, and billed when it is due again', () => {
  const bench = new Billing()
  bench.send([created(), usage(day('02-02'), 3)])
  bench.change(change('cancelled', 2, day('02-10')))
  expect(told(bench.run(day('02-15')))).toContain('tokens usage 02-01..02-10 1.5')
  bench.change(change('resumed', 3, day('02-10')))
  expect(told(bench.run(day('02-16'))).filter(line => line.startsWith('tokens'))).toEqual([
    'tokens adjustment 02-01..02-10 -1.5',
  ])
  expect(told(bench.run(day('03-01'))).filter(line => line.startsWith('tokens'))).toEqual([
    'tokens adjustment 02-01..03-01 1.5',
  ])
})

test('a run of one entity seals its charges alone', () => {
  const bench = new Billing()
  const other = change('created', 1, day('01-01'), { plan: 'pro', subscription_id: 'sub_2', entity_id: 'uk' })
  bench.send([created({ entity_id: 'us' }), other])
  const lines = bench.run(day('01-15'), { entityId: 'uk' })
  expect(lines).toMatchObject([{ subscription_id: 'sub_2', entity_id: 'uk' }])
  expect(bench.run(day('01-15'))).toMatchObject([{ subscription_id: 'sub_1', entity_id: 'us' }])
})

test('a charge that moves to another entity is credited where it was billed, and billed by the other only then', () => {
  const bench = new Billing()
  bench.send([created({ entity_id: 'us' })])
  bench.run(day('01-15'))
  bench.change(change('amended', 2, day('01-01'), { entity_id: 'uk' }))
  expect(bench.run(day('01-15'), { entityId: 'uk' })).toEqual([])
  expect(bench.run(day('01-15'), { entityId: 'us' })).toMatchObject([{ entity_id: 'us', amount: '-30' }])
  expect(bench.run(day('01-15'), { entityId: 'us' })).toEqual([])
  expect(bench.run(day('01-15'), { entityId: 'uk' })).toMatchObject([
    { entity_id: 'uk', amount: '30', kind: 'adjustment' },
  ])
})

test('a charge that moves to another plan is credited under the old one and rebilled under the new', () => {
  const bench = new Billing()
  const cheaper = {
    price: 'base',
    kind: 'recurring',
    amount: '30',
    per: 'subscription',
    timing: 'in_arrears',
  }
  bench.send([created()])
  bench.run(day('01-15'))
  bench.change(change('amended', 2, day('01-01'), { price_overrides: [cheaper] }))
  // In arrears it is not due yet, although it comes to the same.
  expect(bench.run(day('01-15'))).toMatchObject([{ amount: '-30', timing: 'in_advance' }])
  expect(bench.run(feb1)).toMatchObject([{ amount: '30', timing: 'in_arrears', kind: 'adjustment' }])
})

test('a preview says what the run would seal, and seals nothing', () => {
  const bench = new Billing()
  bench.send([created({ price_overrides: [minimum] }), usage(day('01-02'), 1)])
  const rows = bench.rated.length
  const preview = bench.run(feb1, { preview: true })
  expect(bench.charges).toEqual([])
  expect(bench.rated.length).toBe(rows)
  const sealed = bench.run(feb1)
  const unnamed = (lines: readonly Line[]) => lines.map(({ billing_run_id: _, ...line }) => line)
  expect(unnamed(preview)).toEqual(unnamed(sealed))
  expect(sealed).toHaveLength(3)
  // A preview with a later cutoff does not make anything due.
  bench.run(day('04-01'), { preview: true })
  expect(bench.run(feb1)).toEqual([])
})

test('a run says whether anybody ever had its entity', () => {
  const bench = new TestBench()
  const upserted = {
    ...change('x', 1, feb1),
    type: 'weir.customer.upserted',
    data: { customer_id: 'cus_1', entity_id: 'de' },
  }
  bench.send([
    created({ entity_id: 'us' }),
    change('amended', 2, day('06-01'), { entity_id: 'uk' }),
    upserted,
  ])
  const knows = (entityId: string) => {
    const order = { billingRunId: `of ${entityId}`, cutoffNs: nsOf(Date.parse(feb1)), entityId }
    const [sealed] = bench.send([], nowMs, [order]).outputs.filter(one => one.table === 'sealed')
    return (JSON.parse(Buffer.from(sealed!.bytes).toString().trim().split('\n').at(-1)!) as Line)[
      'entity_known'
    ]
  }
  expect(['us', 'uk', 'de', 'fr'].map(knows)).toEqual([true, true, true, false])
})

const minimum = {
  price: 'tokens',
  kind: 'usage',
  meter: 'tokens',
  model: 'per_unit',
  unit_amount: '1',
  minimum: '9',
}

test('lines name who pays and whose part the customer is, as of the sealing, whatever the order of arrival', () => {
  const upserted = (id: string, time: string, data: TestEvent): TestEvent => ({
    ...{ specversion: '1.0', id, source: 'crm', type: 'weir.customer.upserted', subject: 'cus_1', time },
    data: { customer_id: 'cus_1', ...data },
  })
  const relations = (lines: readonly Line[]) => [
    ...new Set(
      lines.map(line => `${line['bill_to_customer_id'] ?? '-'} ${line['parent_customer_id'] ?? '-'}`),
    ),
  ]
  const bench = new Billing()
  bench.send([
    created(),
    upserted('later', day('01-10'), { bill_to_customer_id: 'payer' }),
    upserted('earlier', day('01-05'), { bill_to_customer_id: 'nobody', parent_customer_id: 'group' }),
    usage(day('01-02'), 3),
  ])
  expect(relations(bench.run(feb1, { preview: true }))).toEqual(['payer group'])
  bench.send([upserted('moved', day('01-12'), { parent_customer_id: null, name: 'Acme' })])
  expect(relations(bench.run(feb1))).toEqual(['payer -'])
})
