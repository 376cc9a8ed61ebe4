// One example of each model as people read it, against text that was checked by hand.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { aggregatorOf } from '../aggregations/registry.js'
import { addSample, newAccumulator } from '../charges/accumulator.js'
import { at, base, catalogOf, change, pricesOf, scaled, seats } from '../testing/example-subscription.js'
import {
  basisOfVector,
  periodNs,
  periodStartNs,
  samplesOfVector,
  type Vector,
} from '../testing/golden-vectors.js'
import { segmentsBefore } from '../timeline/price-lines.js'
import { explainRecurring } from './explain-recurring.js'
import { explainUsage } from './explain-usage.js'
import { dueToText, explanationToText } from './explanation-text.js'

const folder = `${process.cwd()}/rating/explain/golden`
const third = { fraction: ['10', '30'] as const }
const tiers = [
  { up_to: '10', unit_amount: '5', flat_amount: '2' },
  { up_to: '20', unit_amount: '3', flat_amount: '7' },
  { up_to: null, unit_amount: '1' },
]
const modelled = [
  {
    when: { region: 'eu' },
    model: 'graduated',
    tiers: [
      { up_to: '10', unit_amount: '2', flat_amount: '5' },
      { up_to: null, unit_amount: '1' },
    ],
  },
  { when: { region: 'us' }, model: 'package', package_size: '100', package_amount: '7' },
  { when: { region: 'sa' }, unit_amount: '1', flat_amount: '3' },
]
const regions = [
  { when: { region: 'eu' }, unit_amount: '0.02' },
  { when: { region: 'us', tier: 'gold' }, unit_amount: '0.03' },
]
const inRegion = (quantity: string, region: string) => ({ quantity, dimensions: { region, tier: 'gold' } })

type Example = Partial<Vector> & {
  readonly terms: Readonly<Record<string, unknown>>
  readonly level?: string
  readonly members?: readonly string[]
}

const examples: Readonly<Record<string, Example>> = {
  'per-unit': { terms: { model: 'per_unit', unit_amount: '0.0000025' }, usage: ['1200345', '17'] },
  graduated: {
    terms: { model: 'graduated', tiers, included: '5', discount_percent: '50', maximum: '40', prorate: true },
    usage: ['8', '6'],
    ...third,
  },
  volume: { terms: { model: 'volume', tiers, minimum: '50' }, usage: ['12'] },
  package: { terms: { model: 'package', package_size: '100', package_amount: '5' }, usage: ['100', '1'] },
  percentage: {
    terms: { model: 'percentage', rate: '1.2', fixed_amount: '0.1', free_events: 3, free_units: '500' },
    usage: ['200', '100', '150', '100', '50'],
  },
  'percentage-by-event': {
    terms: {
      model: 'percentage',
      rate: '10',
      fixed_amount: '1',
      free_events: 1,
      per_event_minimum: '3',
      per_event_maximum: '8',
    },
    usage: ['40', '5', '50', '200'],
  },
  matrix: {
    terms: { model: 'matrix', cells: regions, default_unit_amount: '0.05', included: '80' },
    usage: [inRegion('60', 'eu'), inRegion('50', 'us'), inRegion('10', 'as')],
  },
  'matrix-cells': {
    terms: {
      model: 'matrix',
      cells: modelled,
      default: { unit_amount: '0.05', flat_amount: '2' },
      included: '20',
    },
    usage: [inRegion('60', 'eu'), inRegion('150', 'us')],
  },
  groups: {
    terms: { model: 'graduated', tiers, included: '2', group_by: ['region', 'tier'], minimum: '50' },
    usage: [inRegion('6', 'us'), inRegion('14', 'eu'), inRegion('3', 'us')],
  },
  'time-average': {
    terms: { model: 'per_unit', unit_amount: '0.1' },
    aggregation: 'time_average',
    usage: ['40', '70'],
    level: '10',
  },
  'weighted-sum': {
    terms: { model: 'per_unit', unit_amount: '0.1' },
    aggregation: 'weighted_sum',
    usage: ['5', '2'],
    level: '10',
  },
  // ann and bob are present; the values 1 and -1 add cy and remove ann.
  'persistent-unique-count': {
    terms: { model: 'per_unit', unit_amount: '12' },
    aggregation: 'persistent_unique_count',
    usage: ['1', '-1'],
    members: ['ann', 'bob'],
  },
  percentile: {
    terms: { model: 'per_unit', unit_amount: '2' },
    aggregation: 'percentile',
    usage: ['15', '20', '35', '40', '50'],
  },
  trial: { terms: { model: 'per_unit', unit_amount: '2', minimum: '10' }, usage: ['3'], trial: true },
}

function textOf({ terms, level, members, ...more }: Example): string {
  const vector: Vector = { name: '', price: 'p', usage: [], amount: '', derivation: '', ...more }
  const { basis: plain, isLevel } = basisOf(terms, vector)
  const basis = { ...plain, meter: { ...plain.meter, percentile: scaled('30') } }
  const accumulator = newAccumulator(basis)
  if (level !== undefined) accumulator.levelsAtStart = new Map([[0, scaled(level)]])
  if (members !== undefined) accumulator.levelsAtStart = new Map([[0, new Set(members)]])
  for (const [index, sample] of samplesOfVector(basis, vector).entries()) {
    // Levels change on the 11th and the 21st.
    const timeNs = isLevel ? periodStartNs + (BigInt(index + 1) * periodNs) / 3n : sample.timeNs
    addSample(basis, accumulator, {
      ...sample,
      timeNs,
      ...(members === undefined ? {} : { text: sample.quantity > 0n ? 'cy' : 'ann' }),
    })
  }
  return textFile(
    explanationToText(explainUsage(basis, accumulator, { currency: 'USD', rounding: 'half_up' })),
  )
}

function basisOf(terms: Readonly<Record<string, unknown>>, vector: Vector) {
  const { aggregation = 'sum' } = vector
  const isLevel = aggregatorOf(aggregation as 'sum').level !== undefined
  // A percentile meter needs its percentile to be parsed, a persistent count its operation: they are put in afterwards.
  const parsed =
    aggregation === 'percentile' || aggregation === 'persistent_unique_count' ? 'sum' : aggregation
  const basis = basisOfVector(
    { source: '', prices: { p: terms }, vectors: [] },
    { ...vector, aggregation: parsed },
  )
  const meter = { ...basis.meter, aggregation: aggregation as 'sum' }
  return { basis: { ...basis, meter }, isLevel }
}

const textFile = (lines: readonly string[]) => `${lines.join('\n')}\n`

for (const [name, example] of Object.entries(examples)) {
  it(`${name} reads as its golden text`, () => {
    expect(textOf(example)).toBe(readFileSync(`${folder}/${name}.txt`, 'utf8'))
  })
}

it('recurring prices read as their golden text: seats that change, a discount, a trial', () => {
  const prices = [
    { ...seats, discount_percent: '10', timing: 'in_arrears' },
    { ...base, timing: 'in_advance' },
  ]
  const catalog = catalogOf({ plan: 'pro', proration: 'day', prices })
  const lines = pricesOf(
    catalog,
    change('created', 1, '2026-05-31', {
      plan: 'pro',
      quantities: { seats: '5' },
      anchor: '2026-06-01',
      trialUntil: '2026-06-01',
    }),
    change('amended', 2, '2026-06-10', { quantities: { seats: '8' } }),
  ).recurring
  const texts = lines
    .flatMap(line => segmentsBefore(line, at('2026-07-01')))
    .map(segment => {
      const { price, timing } = segment.line.price
      const head = `${price}, ${dueToText({ ...segment, timing })}`
      return textFile([head, ...explanationToText(explainRecurring(segment))])
    })
  expect(texts.join('')).toBe(readFileSync(`${folder}/recurring.txt`, 'utf8'))
})

it('every golden text has its example', () => {
  const names = readdirSync(folder).map(file => file.replace('.txt', ''))
  expect(names.toSorted()).toEqual([...Object.keys(examples), 'recurring'].toSorted())
})
