// The rules of approvals: random rules and facts against the plain way, and the settings with file and line.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Decimal } from 'decimal.js'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { approvalFactsSchema, type WholeApprovalFacts } from '../../schemas/approvals/approval.js'
import { loadConfig, sectionOf } from '../config/config.js'
import { concernsKind, rulesThatHold } from './rules.js'
import { type ApprovalRule, type ApprovalSettings, approvalsSettings } from './settings.js'

const Exact = Decimal.clone({ precision: 120 })
const off = { credit_pattern: 'off', repeated_collisions: 'off', write_without_source: 'off' } as const

const decimal = fc
  .tuple(fc.integer({ min: -40, max: 40 }), fc.integer({ min: 0, max: 4 }))
  .map(([n, scale]) => new Exact(n).div(new Exact(10).pow(scale)).toFixed())
const positive = decimal.map(text => new Exact(text).abs().toFixed())
const currency = fc.constantFrom('USD', 'EUR')
const entity = fc.constantFrom('', 'de', 'us')

const condition: fc.Arbitrary<Partial<ApprovalRule>> = fc.oneof(
  fc
    .record({ at_least: positive, currency: fc.option(currency, { nil: undefined }) })
    .map(amount => ({ amount })),
  fc
    .record({
      times: positive,
      periods: fc.integer({ min: 1, max: 4 }),
      of: fc.constantFrom('customer' as const, 'entity' as const),
      at_least: positive,
    })
    .map(spike => ({ spike })),
  fc.constant({ reversal_without_invoice: true as const }),
  fc.constant({ missing_source: true as const }),
)
const rule: fc.Arbitrary<ApprovalRule> = fc
  .tuple(condition, fc.subarray(['billing_batch', 'credit'] as const, { minLength: 1 }), fc.option(entity))
  .map(([one, holds, of]) => ({
    rule: 'r',
    version: 1,
    holds,
    ...(of === null ? {} : { entities: [of] }),
    ...one,
  }))
const facts: fc.Arbitrary<WholeApprovalFacts> = fc.record({
  entity_id: entity,
  record: fc.constant(null),
  amounts: fc.array(fc.record({ currency, amount: fc.option(decimal) }), { maxLength: 2 }),
  customers: fc.array(
    fc.record({
      customer_id: fc.constantFrom('a', 'b'),
      currency,
      amount: decimal,
      previous: fc.array(decimal, { maxLength: 5 }),
    }),
    { maxLength: 2 },
  ),
  previous: fc.uniqueArray(fc.record({ currency, amounts: fc.array(decimal, { maxLength: 5 }) }), {
    selector: one => one.currency,
  }),
  credits: fc.array(
    fc.record({
      charge_id: fc.constant('ch'),
      customer_id: fc.constant('a'),
      currency,
      amount: decimal,
      has_invoice: fc.option(fc.boolean()),
      has_charge: fc.constant(null),
    }),
    { maxLength: 2 },
  ),
  without_source: fc.option(fc.array(fc.constant('ch_1'), { maxLength: 2 })),
  flags: fc.constant([]),
})

/** The plain way: one question after another, in decimals with enough digits that no quotient is rounded into another. */
function isHeldPlainly(one: ApprovalRule, is: WholeApprovalFacts): boolean {
  if (one.entities !== undefined && !one.entities.includes(is.entity_id)) return false
  const aspects = one.holds
  if (one.amount !== undefined) {
    const { at_least, currency: only } = one.amount
    const looked = aspects.flatMap(aspect =>
      (aspect === 'credit' ? is.credits : is.amounts).map(({ amount, currency: of }) => ({ amount, of })),
    )
    return looked.some(
      ({ amount, of }) =>
        (only === undefined || only === of) && (amount === null || new Exact(amount).abs().gte(at_least)),
    )
  }
  if (one.reversal_without_invoice) return is.credits.some(credit => credit.has_invoice !== true)
  if (!aspects.includes('billing_batch')) return false
  if (one.missing_source) return is.without_source === null || is.without_source.length > 0
  const { times, periods, of, at_least } = one.spike!
  const compared =
    of === 'customer'
      ? is.customers
      : is.amounts.map(({ currency: named, amount }) => ({
          amount,
          previous: is.previous.find(before => before.currency === named)?.amounts ?? [],
        }))
  return compared.some(({ amount, previous }) => {
    const before = previous.slice(0, periods)
    if (amount === null || before.length === 0 || new Exact(amount).lt(at_least)) return false
    const sum = before.reduce((total, text) => total.plus(text), new Exact(0))
    return new Exact(amount).times(before.length).gt(new Exact(times).times(sum))
  })
}

test('the rules hold what the plain way holds, for any rule and any facts', () => {
  let held = 0
  fc.assert(
    fc.property(rule, facts, (one, is) => {
      const settings: ApprovalSettings = { rules: [one], red_flags: off }
      const found = rulesThatHold(settings, 'billing_batch', is)
      held += found.length
      expect(found.map(({ rule: name, version }) => ({ name, version }))).toEqual(
        isHeldPlainly(one, is) ? [{ name: 'r', version: 1 }] : [],
      )
    }),
    { numRuns: 400 },
  )
  expect(held).toBeGreaterThan(10)
})

const some = <T>(names: fc.Arbitrary<T>) =>
  fc.option(fc.uniqueArray(names, { minLength: 1 }), { nil: undefined })
const connection = fc.constantFrom('sap', 'hook')
const customer = fc.constantFrom('a', 'b')
const recordKind = fc.constantFrom('journal' as const, 'batch_line' as const)
const ofDelivery: fc.Arbitrary<Partial<ApprovalRule>> = fc.oneof(
  fc.record({ at_least: positive }).map(amount => ({ amount })),
  fc.constant({ reversal_without_invoice: true as const }),
  fc.constant({ reversal_without_charge: true as const }),
  fc.constant({ missing_source: true as const }),
)
const deliveryRule: fc.Arbitrary<ApprovalRule> = fc
  .tuple(
    ofDelivery,
    fc.record({ connections: some(connection), records: some(recordKind), customers: some(customer) }),
    fc.record({ entities: some(entity) }),
    fc.constantFrom('delivery' as const, 'credit' as const),
  )
  .map(([one, chosen, of, holds]) => ({ rule: 'r', version: 1, holds: [holds], ...chosen, ...of, ...one }))
const known = fc.option(fc.boolean())
const deliveryFacts = fc
  .record({
    entity_id: entity,
    record: fc.record({ connection, kind: recordKind, customer_id: customer }),
    amount: fc.option(decimal),
    credit: fc.option(fc.record({ amount: fc.option(decimal), has_invoice: known, has_charge: known })),
    without_source: fc.option(fc.constantFrom([], ['ch'])),
  })
  .map(({ amount, credit, ...is }) => ({
    ...is,
    amounts: [{ currency: 'USD', amount }],
    credits: credit === null ? [] : [{ charge_id: 'ch', customer_id: 'a', currency: 'USD', ...credit }],
  }))

test('a rule holds the deliveries that it chooses and no other, and is asked about each of them', () => {
  let held = 0
  fc.assert(
    fc.property(deliveryRule, deliveryFacts, (one, facts) => {
      const { record, entity_id, amounts, credits, without_source: lost } = facts
      const amount = amounts[0]!.amount
      const isChosen =
        one.holds.includes('delivery') &&
        (one.connections ?? [record.connection]).includes(record.connection) &&
        (one.records ?? [record.kind]).includes(record.kind) &&
        (one.customers ?? [record.customer_id]).includes(record.customer_id) &&
        (one.entities ?? [entity_id]).includes(entity_id)
      const has = (credit: (typeof credits)[number]) =>
        one.reversal_without_charge ? credit.has_charge : credit.has_invoice
      const isHeld =
        one.amount !== undefined
          ? amount === null || new Exact(amount).abs().gte(one.amount.at_least)
          : one.missing_source
            ? lost === null || lost.length > 0
            : credits.some(credit => credit.amount === null || has(credit) !== true)
      const settings: ApprovalSettings = { rules: [one], red_flags: off }
      const found = rulesThatHold(settings, 'delivery', approvalFactsSchema.parse(facts))
      held += found.length
      expect(found).toHaveLength(isChosen && isHeld ? 1 : 0)
      const { connection: to, kind, customer_id: customerId } = record
      const subject = { connection: to, kind, customerId, entityId: entity_id }
      expect(concernsKind(settings, 'delivery', subject)).toBe(isChosen)
    }),
    { numRuns: 400 },
  )
  expect(held).toBeGreaterThan(10)
})

test('an amount beyond doubles is compared by its digits', () => {
  const rules: ApprovalRule[] = [
    { rule: 'large', version: 3, holds: ['redrive'], amount: { at_least: '9007199254740993' } },
  ]
  const of = (amount: string) =>
    rulesThatHold(
      { rules, red_flags: off },
      'redrive',
      approvalFactsSchema.parse({ amounts: [{ currency: 'USD', amount }] }),
    )
  expect(of('9007199254740992.999999999999')).toEqual([])
  expect(of('-9007199254740993')).toMatchObject([{ rule: 'large', version: 3 }])
})

test('a spike is more than so many times the average, to the last digit', () => {
  const spike = { times: '3', periods: 2, of: 'customer', at_least: '0' } as const
  const rules: ApprovalRule[] = [{ rule: 'jump', version: 1, holds: ['billing_batch'], spike }]
  const of = (amount: string, ...previous: string[]) => {
    const customers = [{ customer_id: 'a', currency: 'USD', amount, previous }]
    const is = approvalFactsSchema.parse({ customers })
    return rulesThatHold({ rules, red_flags: off }, 'billing_batch', is).length
  }
  expect(of('30', '10', '10', '999')).toBe(0)
  expect(of('30.000000000001', '10', '10', '999')).toBe(1)
  expect(of('1', '0')).toBe(1)
  expect(of('1')).toBe(0) // there is nothing to compare with
})

test('a red flag holds a batch when it is set to hold, and nothing otherwise', () => {
  const is = approvalFactsSchema.parse({
    flags: [{ flag: 'repeated_collisions', object_id: 'crm', detail: '9 collisions of crm' }],
  })
  const of = (mode: 'off' | 'notice' | 'hold') =>
    rulesThatHold({ rules: [], red_flags: { ...off, repeated_collisions: mode } }, 'billing_batch', is)
  expect(of('hold')).toEqual([
    { rule: 'red_flag.repeated_collisions', version: 1, detail: '9 collisions of crm' },
  ])
  expect([...of('notice'), ...of('off')]).toEqual([])
})

const folder = mkdtempSync(join(tmpdir(), 'weir-approvals-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(text: string) {
  const file = join(folder, 'weir.yaml')
  writeFileSync(file, text)
  const loaded = loadConfig({ sections: [approvalsSettings], file, env: {} })
  return loaded.kind === 'ok'
    ? sectionOf(loaded.config, approvalsSettings)
    : loaded.problems.map(({ line, path }) => `${line} ${path}`)
}

test('rules are read from the configuration, and each fault is told with its line', () => {
  expect(load('data_dir: x\n')).toMatchObject({ rules: [], red_flags: { credit_pattern: 'notice' } })
  const whole = `approvals:
  rules:
    - { rule: large, holds: [billing_batch], amount: { at_least: "10000", currency: EUR } }
    - { rule: jump, holds: [billing_batch], spike: { times: "3" } }
  red_flags: { credit_pattern: hold }
`
  expect(load(whole)).toMatchObject({
    rules: [{ version: 1 }, { spike: { times: '3', periods: 3, of: 'customer', at_least: '0' } }],
    red_flags: { credit_pattern: 'hold', write_without_source: 'notice' },
  })
  const faulty = `approvals:
  rules:
    - { rule: large, holds: [billing_batch], amount: { at_least: 10 } }
    - { rule: none, holds: [redrive] }
    - { rule: large, holds: [invoice], amount: { at_least: "1" } }
    - { rule: jump, holds: [redrive], spike: { times: "2" } }
    - { rule: out, holds: [delivery], spike: { times: "2" } }
    - { rule: both, holds: [delivery, redrive], connections: [sap], amount: { at_least: "1" } }
    - { rule: note, holds: [delivery], records: [credit_note], amount: { at_least: "1" } }
`
  expect(load(faulty)).toEqual([
    '3 approvals.rules.0.amount.at_least',
    '4 approvals.rules.1',
    '5 approvals.rules.2.holds.0',
    '6 approvals.rules.3.holds.0',
    '7 approvals.rules.4.holds.0',
    '8 approvals.rules.5.connections',
    '9 approvals.rules.6.records.0',
  ])
  const second = faulty
    .replace('10 }', '"10" }')
    .replace('invoice', 'redrive')
    .replace('credit_note', 'journal')
  expect(load(second)).toEqual([
    '4 approvals.rules.1',
    '5 approvals.rules.2.rule',
    '6 approvals.rules.3.holds.0',
    '7 approvals.rules.4.holds.0',
    '8 approvals.rules.5.connections',
  ])
})
