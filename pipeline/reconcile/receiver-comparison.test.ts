// What the comparison with a receiver calls a fault, and what not.

import { expect, test } from 'vitest'
import type { ReceiverDocument, ReceiverLine } from '../../sinks/connector.js'
import type { OurRecord } from './our-record.js'
import { ReceiverComparison } from './receiver-comparison.js'

const one = 1_000_000_000_000n

function record(key: string, change: Partial<OurRecord> = {}): OurRecord {
  const facts = {
    entityId: 'eu',
    date: '2026-01-31',
    currency: 'EUR',
    amount: 10n * one,
    code: '',
    lines: undefined,
  }
  return {
    key,
    kind: 'journal',
    id: `id-${key}`,
    deliveryId: `dl-${key}`,
    state: 'posted',
    externalId: `x-${key}`,
    ...facts,
    ...change,
  }
}

function document(key: string, change: Partial<ReceiverDocument> = {}): ReceiverDocument {
  const facts = { date: '2026-01-31', currency: 'EUR', debit: '10.00' }
  return { key, externalId: `x-${key}`, state: 'posted', ...facts, ...change }
}

function compare(ours: readonly OurRecord[], theirs: readonly ReceiverDocument[], byAccount = false) {
  const comparison = new ReceiverComparison(byAccount)
  for (const each of ours) comparison.ours(each)
  for (const each of theirs) comparison.theirs(each)
  return comparison
}

test('the same on both sides is no fault, also where the receiver tells no amount or writes it otherwise', () => {
  const told = { key: 'b', externalId: 'x-b', state: 'posted' } as const
  const { faults, agreeing, totals } = compare([record('a'), record('b')], [document('a'), told]).result()
  expect([faults, agreeing]).toEqual([[], 2])
  expect(totals).toContainEqual({
    entity_id: 'eu',
    currency: 'EUR',
    records: 2,
    ours: '20',
    documents: 2,
    theirs: '10',
    untold: 1,
  })
})

test('missing, extra, twice and undelivered are named with the ids of both sides', () => {
  const { faults, faultCount } = compare(
    [record('gone'), record('double'), record('lost', { state: 'none', externalId: '' })],
    [document('double'), document('double', { externalId: 'x-again' }), document('stray')],
  ).result()
  expect(faultCount).toBe(4)
  expect(faults.map(each => [each.fault, each.record?.id ?? each.key, each.external_ids])).toEqual([
    ['missing', 'id-gone', []],
    ['twice', 'id-double', ['x-double', 'x-again']],
    ['no_delivery', 'id-lost', []],
    ['extra', 'stray', ['x-stray']],
  ])
  expect(faults[0]).toMatchObject({ delivery_id: 'dl-gone', delivered_as: 'x-gone', state: 'posted' })
})

test.each([
  ['date', { date: '2026-02-01' }, '2026-01-31', '2026-02-01'],
  ['currency', { currency: 'USD' }, 'EUR', 'USD'],
  ['amount', { debit: '10.000000000001' }, '10', '10.000000000001'],
  ['state', { state: 'written' }, 'posted', 'written'],
] as const)('another %s is different, and both are told', (field, change, ours, theirs) => {
  const { faults } = compare([record('a')], [document('a', change)]).result()
  expect(faults).toMatchObject([{ fault: 'different', field, ours, theirs, external_ids: ['x-a'] }])
})

test('another account is different, and both sides are added up by account and day', () => {
  const lines = (account: string): readonly ReceiverLine[] => [
    { account: '119', balance: '10.00' },
    { account, balance: '-10' },
  ]
  const ours = ['a', 'b'].map(key =>
    record(key, {
      lines: [
        ['119', 10n * one],
        ['54', -10n * one],
      ],
    }),
  )
  const theirs = [document('a', { lines: lines('54') }), document('b', { lines: lines('55') })]
  const { faults, days } = compare(ours, theirs, true).result()
  expect(faults).toMatchObject([
    { fault: 'different', key: 'b', field: 'account', ours: '119 10, 54 -10', theirs: '119 10, 55 -10' },
  ])
  const at = { entity_id: 'eu', currency: 'EUR', date: '2026-01-31' }
  expect(days).toEqual([
    { ...at, account: '54', records: 2, ours: '-20', documents: 1, theirs: '-10' },
    { ...at, account: '55', records: 0, ours: '0', documents: 1, theirs: '-10' },
    { ...at, account: '119', records: 2, ours: '20', documents: 2, theirs: '20' },
  ])
})

test('what is on its way or waits for somebody is told apart, and is no fault while it is not there', () => {
  const states = ['waiting', 'held', 'unclear', 'refused', 'not_taken_in', 'sending', 'superseded']
  const { faults, unsettled } = compare(
    states.map(state => record(state, { state, externalId: '' })),
    [document('unclear')],
  ).result()
  expect(faults).toEqual([])
  expect(unsettled.map(each => [each.state, each.records, each.there])).toEqual(
    states.map(state => [state, 1, state === 'unclear' ? 1 : 0]),
  )
})

test('what was refused and is there is a fault, unless its delivery has moved on meanwhile', () => {
  const comparison = compare([record('a', { state: 'refused' })], [document('a')])
  expect(comparison.result().faults).toMatchObject([{ fault: 'different', field: 'state', ours: 'refused' }])
  expect(comparison.askAgain().map(({ key }) => key)).toEqual(['a'])
  comparison.moved('a', { state: 'posted', code: '', externalId: 'x-a' })
  expect(comparison.result()).toMatchObject({ faults: [], agreeing: 1 })
})

test('a draft waits for somebody until it is posted there, and neither is a fault', () => {
  const draft = record('a', { state: 'written' })
  const drafted = compare([draft], [document('a', { state: 'written' })]).result()
  expect(drafted).toMatchObject({ faults: [], unsettled: [{ state: 'written', there: 1 }] })
  expect(compare([draft], [document('a')]).result()).toMatchObject({ faults: [], unsettled: [] })
})

test('a document whose record has another date is different, not extra', () => {
  const comparison = compare([], [document('a')])
  expect(comparison.strays()).toEqual(['a'])
  comparison.adopt(record('a', { date: '2025-12-31' }))
  expect(comparison.result().faults).toMatchObject([{ fault: 'different', field: 'date' }])
})
