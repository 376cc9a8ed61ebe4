// The command `weir simulate` as users run it: files in, the object of the contract out.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { ChargeWire } from '../../schemas/billing/charge.js'
import { created, testCatalog, usage } from '../testing/core-fixture.js'
import { type SimulateArguments, simulateCommand } from './simulate-command.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-simulate-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function run(args: Partial<SimulateArguments>) {
  const out = { code: -1, stdout: '', stderr: '' }
  out.code = await simulateCommand(
    { catalog: [catalog], events: [ndjson], json: true, ...args },
    {
      stdout: { write: text => (out.stdout += text) },
      stderr: { write: text => (out.stderr += text) },
      isTTY: false,
    },
  )
  return out
}

const events = [created(), usage('2026-01-02T00:00:00Z', 3), usage('2026-02-03T00:00:00Z', '0.000000000001')]
const lines = (values: readonly unknown[]) => values.map(value => JSON.stringify(value)).join('\n')
const catalog = file('catalog.yaml', JSON.stringify(testCatalog))
const ndjson = file('events.ndjson', lines(events))

test('--json prints the object of the contract, from NDJSON, an array, or several files', async () => {
  const first = await run({})
  expect(first.code).toBe(0)
  const result = JSON.parse(first.stdout) as Record<string, Record<string, unknown>[]>
  expect(Object.keys(result)).toEqual(['events', 'charges', 'mrr_movements', 'dead_letters', 'notices'])
  expect(result['charges']?.map(one => [one['price'], one['amount'], one['status']])).toEqual([
    ['base', '30', 'closed'],
    ['tokens', '1.5', 'closed'],
    ['base', '30', 'open'],
    ['tokens', '0.000000000001', 'open'],
  ])
  const array = await run({ events: [file('events.json', JSON.stringify(events))] })
  expect(array.stdout).toBe(first.stdout)
  const parts = events.map((event, n) => file(`part${n}.json`, JSON.stringify(event, null, 2)))
  expect((await run({ events: parts })).stdout).toBe(first.stdout)
})

test('without --json it prints tables', async () => {
  const { code, stdout } = await run({ json: false, asOf: '2026-02-01T00:00:00Z' })
  expect(code).toBe(0)
  expect(stdout).toContain('3 received, 2 rated, 1 applied')
  expect(stdout).toContain('new_business')
})

test('a bad catalog is refused with every fault and its line', async () => {
  const bad = file('bad.yaml', 'meters:\n  - meter: m\n    aggregation: nope\nplans: 3\n')
  const { code, stdout, stderr } = await run({ catalog: [bad] })
  expect([code, stdout]).toEqual([78, ''])
  expect(stderr.match(/bad\.yaml:\d+:\d+: /g)?.length).toBeGreaterThan(2)
})

test('a file that is not there or not JSON, and a bad --as-of, are told in a sentence', async () => {
  expect(await run({ events: [join(folder, 'none')] })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no such file'),
  })
  expect(await run({ events: [file('broken.json', '[1,')] })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is not JSON'),
  })
  expect((await run({ asOf: 'yesterday' })).code).toBe(2)
  expect((await run({ events: [] })).code).toBe(2)
})

test('--json --explain adds the key explanations and changes no other', async () => {
  const plain = JSON.parse((await run({})).stdout) as Record<string, unknown>
  const { explanations, ...rest } = JSON.parse((await run({ explain: true })).stdout) as Record<
    string,
    unknown
  >
  expect(rest).toEqual(plain)
  const charges = rest['charges'] as ChargeWire[]
  const lines = explanations as {
    charge_id: string
    due_at: string
    amount: string
    steps: Record<string, unknown>[]
  }[]
  expect(lines.map(one => [one.charge_id, one.amount])).toEqual(
    charges.map(one => [one['charge_id'], one['amount']]),
  )
  expect(lines.map(one => one.due_at)).toEqual(
    charges.map(one =>
      one['timing'] === 'in_advance' ? one['service_period'].from : one['service_period'].until,
    ),
  )
  expect(new Set(charges.map(one => one['timing']))).toEqual(new Set(['in_advance', 'in_arrears']))
  expect(lines[1]?.steps.find(step => step['what'] === 'model')).toEqual({
    what: 'model',
    label: 'per_unit',
    formula: 'units * unit_amount',
    values: { units: '3', unit_amount: '0.5' },
    result: '1.5',
  })
})

test('--explain prints the arithmetic of every charge below the tables', async () => {
  const { code, stdout } = await run({ json: false, explain: true })
  expect(code).toBe(0)
  expect(stdout).toContain(
    'cus_1, sub_1, tokens, 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z, closed, ' +
      'due 2026-02-01T00:00:00Z, when its service period ends',
  )
  expect(stdout).toMatch(/^ {2}per_unit +3 × 0\.5 USD = 1\.5 USD$/m)
})
