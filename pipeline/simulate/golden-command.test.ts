// The command line around the simulation: forms of event files, exit codes, and the shape of what `--json` prints.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { simulateCommand } from './simulate-command.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-command-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const catalog = file(
  'catalog.json',
  JSON.stringify({
    meters: [{ meter: 'm', event_type: 'use', aggregation: 'sum', value: 'n' }],
    plans: [
      {
        plan: 'p',
        version: 1,
        currency: 'USD',
        billing_period: 'month',
        prices: [
          { price: 'base', kind: 'recurring', amount: '31', per: 'subscription', timing: 'in_advance' },
          { price: 'u', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '0.001' },
        ],
      },
    ],
  }),
)

const created = {
  specversion: '1.0',
  id: 'c',
  source: 'crm',
  type: 'weir.subscription.created',
  subject: 'c1',
  time: '2026-01-01T00:00:00Z',
  data: {
    subscription_id: 's1',
    customer_id: 'c1',
    sequence: 1,
    effective_from: '2026-01-01T00:00:00Z',
    plan: 'p',
  },
}
const use = {
  specversion: '1.0',
  id: 'u',
  source: 'app',
  type: 'use',
  subject: 'c1',
  time: '2026-01-05T06:07:08.009Z',
  data: { n: 5 },
}

async function run(events: readonly string[], catalogs: readonly string[] = [catalog], asOf?: string) {
  let out = ''
  let problems = ''
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (problems += text) },
    isTTY: false,
  }
  const args = { catalog: catalogs, events, json: true, ...(asOf === undefined ? {} : { asOf }) }
  const code = await simulateCommand(args, io)
  return { code, problems, printed: code === 0 ? JSON.parse(out) : undefined }
}

test('the object has the keys of the contract, money as strings and instants in RFC 3339', async () => {
  const { printed } = await run([file('both.json', JSON.stringify([created, use]))])
  expect(Object.keys(printed)).toEqual(['events', 'charges', 'mrr_movements', 'dead_letters', 'notices'])
  expect(Object.keys(printed.events)).toEqual([
    'received',
    'rated',
    'applied',
    'duplicate',
    'conflicting',
    'parked',
    'dead_lettered',
    'unmetered',
  ])
  const [base, usage] = printed.charges
  expect(base).toMatchObject({ price: 'base', kind: 'recurring', quantity: '1', amount: '31' })
  expect(usage).toEqual({
    charge_id: expect.stringMatching(/^ch_/),
    customer_id: 'c1',
    subscription_id: 's1',
    subscription_version: 1,
    entity_id: '',
    contract_id: '',
    correlation_id: '',
    plan: 'p',
    plan_version: 1,
    price: 'u',
    meter: 'm',
    kind: 'usage',
    timing: 'in_arrears',
    service_period: { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' },
    timezone: 'UTC',
    quantity: '5',
    amount: '0.005',
    amount_rounded: '0.01',
    currency: 'USD',
    status: 'open',
  })
  expect(printed.mrr_movements).toEqual([
    {
      movement_id: expect.stringMatching(/^mv_/),
      customer_id: 'c1',
      subscription_id: 's1',
      effective_at: '2026-01-01T00:00:00Z',
      kind: 'new_business',
      amount: '31',
      currency: 'USD',
      mrr_before: '0',
      mrr_after: '31',
      correlation_id: '',
    },
  ])
})

const lines = [created, use].map(event => JSON.stringify(event))
test.each([
  ['an array', JSON.stringify([created, use])],
  ['an array over many lines', JSON.stringify([created, use], null, 2)],
  ['NDJSON', `${lines.join('\n')}\n`],
  ['NDJSON with empty lines, CRLF, a byte order mark and no last newline', `\ufeff${lines.join('\r\n\r\n')}`],
])('%s is one form of the same events', async (_form, text) => {
  const { printed } = await run([file('form.json', text)])
  expect(printed.events).toMatchObject({ received: 2, rated: 1, applied: 1, dead_lettered: 0 })
})

test('several files are read in their order, single objects among them', async () => {
  const names = [file('one.json', lines[0]!), file('two.json', JSON.stringify(use, null, 2))]
  const { printed } = await run([...names, names[1]!])
  expect(printed.events).toMatchObject({ received: 3, rated: 1, applied: 1, duplicate: 1 })
})

test('a line that is not JSON is a dead letter alone, wherever it stands', async () => {
  for (const bad of [0, 1, 2]) {
    const text = [...lines.slice(0, bad), '{ "broken": ', ...lines.slice(bad)].join('\n')
    const { printed } = await run([file('bad.ndjson', text)])
    expect(printed.events).toMatchObject({ received: 3, rated: 1, applied: 1, dead_lettered: 1 })
    expect(printed.dead_letters).toEqual([
      {
        source: '',
        id: '',
        code: 'malformed_json',
        detail: expect.stringContaining(`Line ${bad + 1}`),
        correlation_id: '',
      },
    ])
  }
})

test('files without events are no events', async () => {
  for (const text of ['', '\n\n', '[]']) {
    const { code, printed } = await run([file('empty.json', text)])
    expect([code, printed.events.received, printed.charges]).toEqual([0, 0, []])
  }
})

test('a file that is missing, no text or no JSON ends with 1 and is named; a catalog that is missing with 78', async () => {
  mkdirSync(join(folder, 'folder'), { recursive: true })
  const bad = [
    file('bytes.json', Uint8Array.of(0xff, 0xfe)),
    file('text.json', '{"specversion": '),
    join(folder, 'folder'),
  ]
  for (const name of [...bad, join(folder, 'missing.json')]) {
    const { code, problems } = await run([name])
    expect([code, problems.startsWith(name)]).toEqual([1, true])
  }
  expect((await run([file('e.json', '[]')], [join(folder, 'no-catalog.yaml')])).code).toBe(78)
})

test('a catalog with faults ends with 78 and every fault, with file and line', async () => {
  const text = [
    'meters:',
    '  - { meter: a, event_type: x, aggregation: summ, value: n }',
    '  - { meter: b, event_type: x, aggregation: percentile, value: n }',
    'plans:',
    '  - plan: p',
    '    version: 1',
    '    currency: US',
    '    billing_period: fortnight',
    '    prices:',
    '      - { price: u, kind: usage, meter: nope, model: per_unit, unit_amount: "1" }',
    '      - { price: v, kind: usage, meter: b, model: per_unit, unit_amount: "0.0000000000001" }',
    '      - { price: w, kind: recurring, amount: "1", per: head, timing: in_advance }',
  ].join('\n')
  const name = file('bad.yaml', text)
  const { code, problems } = await run([file('e.json', '[]')], [name])
  const found = problems
    .trim()
    .split('\n')
    .map(line => line.slice(name.length + 1).split(':')[0])
  expect([code, found]).toEqual([78, ['2', '3', '7', '8', '10', '11', '12']])
  for (const broken of ['meters: [\nplans: {', '', '[]', '{"meters": [{}]}']) {
    expect((await run([file('e.json', '[]')], [file('broken.yaml', broken)])).code).toBe(78)
  }
})

test('an instant that is none ends with 2', async () => {
  for (const asOf of ['2026-02-01', 'today', '2026-02-30T00:00:00Z', '2026-02-01T00:00:00']) {
    expect((await run([file('e.json', '[]')], [catalog], asOf)).code).toBe(2)
  }
})
