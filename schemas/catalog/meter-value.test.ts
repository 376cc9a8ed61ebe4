// What a meter reads: which fields go together, and where and how others are refused.

import { expect, test } from 'vitest'
import { parseCatalog } from './catalog-parser.js'

const meterWith = (...lines: readonly string[]) =>
  ['meters:', '  - meter: m', '    event_type: e', ...lines.map(line => `    ${line}`)].join('\n')

function faults(...lines: readonly string[]): string[] {
  const parsed = parseCatalog(meterWith(...lines), 'c.yaml')
  if (parsed.kind === 'ok') return []
  return parsed.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`)
}

test.each([
  [['aggregation: sum', 'expression: "(cpu + 1) * hours"']],
  [
    [
      'aggregation: percentile',
      'percentile: 95',
      'expression: ceil(ms / 1000)',
      'convert: { divide_by: 60, round: up }',
    ],
  ],
  [['aggregation: unique_count', 'value: [user, device.id]']],
  [['aggregation: unique_count', 'value: user', 'operation: seat.action']],
  [['aggregation: unique_count', 'value: [user, device.id]', 'operation: action']],
  [['aggregation: sum', 'window: day', 'window_aggregation: max', 'value: gb']],
  [['aggregation: average', 'window: hour', 'window_aggregation: count']],
  [
    [
      'aggregation: percentile',
      'percentile: 95',
      'window: hour',
      'window_aggregation: max',
      'expression: a + b',
    ],
  ],
  [['aggregation: max', 'window: day', 'window_aggregation: unique_count', 'value: [a, b]']],
  [['aggregation: weighted_sum', 'value: bytes', 'convert: { divide_by: "1073741824" }']],
  [['aggregation: sum', 'value: ms', 'convert: { divide_by: 1000, round: half_even, places: 2 }']],
])('%j is read', lines => {
  expect(faults(...lines)).toEqual([])
})

test.each([
  [
    ['aggregation: sum', 'value: n', 'operation: action'],
    '6:16 unknown_key The aggregation sum takes no operation; unique_count does.',
  ],
  [
    ['aggregation: max', 'window: day', 'window_aggregation: unique_count', 'value: n', 'operation: action'],
    '8:16 unknown_key The meter with a window takes no operation; unique_count does.',
  ],
  [
    ['aggregation: unique_count', 'value: n', 'operation: a..b'],
    '6:16 invalid_value The field operation is a path into data, such as usage.tokens.',
  ],
  [
    ['aggregation: sum', 'expression: cpu +'],
    '5:17 invalid_expression At character 6 of the expression is expected a number, a field of data, a function or (.',
  ],
  [
    ['aggregation: sum', 'expression: 12'],
    '5:17 wrong_type The field expression is a text, such as "cpu * hours".',
  ],
  [
    ['aggregation: sum', 'expression: a', 'value: b'],
    '6:12 unknown_key A meter has a value or an expression.',
  ],
  [['aggregation: count', 'expression: a'], '5:17 unknown_key The aggregation count takes no expression.'],
  [
    ['aggregation: unique_count', 'expression: a'],
    '5:17 unknown_key The aggregation unique_count takes no expression.',
  ],
  [
    ['aggregation: count', 'convert: { divide_by: 2 }'],
    '5:14 unknown_key The aggregation count takes no convert.',
  ],
  [
    ['aggregation: unique_count', 'value: a', 'convert: { divide_by: 2 }'],
    '6:14 unknown_key The aggregation unique_count takes no convert.',
  ],
  [
    ['aggregation: sum', 'value: [a, b]'],
    '5:12 wrong_type The aggregation sum reads one field; a sum of several is an expression.',
  ],
  [['aggregation: unique_count', 'value: [a]'], '5:12 invalid_value A list of fields has 2 to 8 of them.'],
  [['aggregation: unique_count', 'value: [a, b, a]'], '5:19 invalid_value The field a is given twice.'],
  [
    ['aggregation: unique_count', 'value: [a, b..c]'],
    '5:16 invalid_value The field value is a path into data, such as usage.tokens.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { divide_by: 0.5 }'],
    '6:27 value_out_of_range The field divide_by is at least 1; an expression multiplies.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { divide_by: 0 }'],
    '6:27 value_out_of_range The field divide_by is greater than 0.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { round: up }'],
    '6:14 missing_field The field divide_by is missing.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { divide_by: 2, places: 2 }'],
    '6:38 missing_field The field places needs round: without it nothing is rounded.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { divide_by: 2, round: nearest }'],
    '6:37 invalid_value The field round is one of up, down, half_up, half_even.',
  ],
  [
    ['aggregation: sum', 'value: a', 'convert: { divided_by: 2 }'],
    '6:14 missing_field The field divide_by is missing.',
  ],
  [
    ['aggregation: sum', 'value: a', 'window: day'],
    '2:5 missing_field The field window_aggregation is missing.',
  ],
  [
    ['aggregation: sum', 'value: a', 'window_aggregation: max'],
    '2:5 missing_field The field window is missing.',
  ],
  [
    ['aggregation: sum', 'value: a', 'window: week', 'window_aggregation: max'],
    '6:13 invalid_value The field window is one of hour, day.',
  ],
  [
    ['aggregation: sum', 'value: a', 'window: day', 'window_aggregation: average'],
    '7:25 invalid_value The field window_aggregation is one of count, sum, max, min, latest, first, unique_count.',
  ],
  [
    ['aggregation: latest', 'value: a', 'window: day', 'window_aggregation: max'],
    '4:18 invalid_value The aggregation over windows is one of sum, max, min, average, percentile.',
  ],
  [
    ['aggregation: sum', 'value: a', 'window: day', 'window_aggregation: count'],
    '5:12 unknown_key The aggregation count takes no value.',
  ],
] as const)('%j is refused', (lines, fault) => {
  expect(faults(...lines)[0]).toBe(fault)
})

test('a percentage price cannot follow a sum that is converted, nor an average', () => {
  const plan = [
    'plans:',
    '  - plan: p',
    '    version: 1',
    '    currency: USD',
    '    billing_period: month',
    '    prices:',
  ]
  const price = (model: string) => `      - { price: x, kind: usage, meter: m, ${model} }`
  const codes = (lines: readonly string[], model: string) => {
    const parsed = parseCatalog([meterWith(...lines), ...plan, price(model)].join('\n'), 'c.yaml')
    return parsed.kind === 'ok' ? [] : parsed.problems.map(({ line, code }) => `${line} ${code}`)
  }
  const converted = ['aggregation: sum', 'value: cents', 'convert: { divide_by: 100 }']
  const rounded = [
    'aggregation: sum',
    'value: cents',
    'convert: { divide_by: 100, round: half_up, places: 12 }',
  ]
  const mean = ['aggregation: average', 'value: n']
  const present = ['aggregation: unique_count', 'value: n', 'operation: action']
  const byEvent = 'model: percentage, rate: 2'
  expect(codes(converted, byEvent)).toEqual(['13 model_cannot_price_meter'])
  expect(codes(rounded, byEvent)).toEqual([])
  expect(codes(converted, 'model: per_unit, unit_amount: 1')).toEqual([])
  expect(codes(present, byEvent)).toEqual(['13 model_cannot_price_meter'])
  expect(codes(present, 'model: matrix, cells: [], default_unit_amount: 1')).toEqual([
    '13 model_cannot_price_meter',
  ])
  expect(codes(present, 'model: per_unit, unit_amount: 1')).toEqual([])
  expect(codes(mean, byEvent)).toEqual(['12 model_cannot_price_meter'])
  expect(codes(mean, 'model: matrix, cells: [], default_unit_amount: 1')).toEqual([
    '12 model_cannot_price_meter',
  ])
})
