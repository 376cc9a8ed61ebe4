// `weir validate --cost`: which prices leave the fast way, and why.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { validateCommand } from './validate-command.js'

const catalog = `meters:
  - { meter: calls, event_type: api.call, aggregation: count }
  - { meter: tokens, event_type: llm.request, aggregation: sum, value: tokens, dimensions: [model] }
  - { meter: paid, event_type: payment, aggregation: sum, value: amount }
  - { meter: mbps, event_type: port.sample, aggregation: percentile, percentile: "95", value: mbps }
  - { meter: samples, event_type: port.sample, aggregation: count }
plans:
  - plan: pro
    version: 1
    currency: USD
    billing_period: month
    prices:
      - { price: calls, kind: usage, meter: calls, model: per_unit, unit_amount: "0.01", included: "1000" }
      - { price: packs, kind: usage, meter: calls, model: package, package_size: "1000", package_amount: "5" }
      - price: tokens
        kind: usage
        meter: tokens
        model: matrix
        cells: [ { when: { model: small }, unit_amount: "0.000001" } ]
        default_unit_amount: "0.000002"
      - { price: fee, kind: usage, meter: paid, model: percentage, rate: "2", per_event_minimum: "0.10" }
      - { price: port, kind: usage, meter: mbps, model: per_unit, unit_amount: "3" }
      - { price: samples, kind: usage, meter: samples, model: per_unit, unit_amount: "0.0001" }
`
let folder: string
let told: string

beforeEach(async () => {
  told = ''
  folder = await mkdtemp(join(tmpdir(), 'weir-cost-'))
  await writeFile(join(folder, 'prices.yaml'), catalog)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const writer = {
  write(text: string) {
    told += text
  },
}
const validate = (json: boolean) =>
  validateCommand(
    { files: [join(folder, 'prices.yaml')], json, cost: true },
    { stdout: writer, stderr: writer, isTTY: false },
  )

test('each usage price has its way and the reason that it is no faster one', async () => {
  expect(await validate(true)).toBe(0)
  const [{ cost }] = JSON.parse(told)
  const lines = cost.map((one: { price: string; way: string; reasons: { code: string }[] }) =>
    [one.price, one.way, ...one.reasons.map(({ code }) => code)].join(' '),
  )
  expect(lines).toEqual([
    'calls product',
    'packs total model_not_linear',
    'tokens each_event model_keeps_usage',
    'fee each_event model_keeps_usage',
    'port each_event meter_keeps_values',
    'samples each_event beside_such_a_meter',
  ])
})

test('people read it as a table', async () => {
  expect(await validate(false)).toBe(0)
  expect(told).toMatch(/pro 1 +port +mbps +each event +percentile keeps every value/)
  if (process.env['WEIR_SHOW'] !== undefined) process.stdout.write(told)
})
