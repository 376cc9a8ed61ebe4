// The mapping of a connection: faults with file and line, the first rule that agrees, and what nothing maps.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { ConnectorRecord } from '../connector.js'
import type { MappingFields } from './mapping-fields.js'
import { parseMappingFile } from './mapping-file.js'
import { MappingOfFile } from './record-mapping.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-mapping-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const fields: MappingFields = {
  accounts: { description: 'our account to theirs', required: true, keyedBy: 'account', pattern: /^\d+$/ },
  customers: { description: 'our customer to theirs', keyedBy: 'customer', pattern: /^[A-Z]-\d+$/ },
  subsidiary: { description: 'the subsidiary', required: true, keyedBy: 'entity' },
  department: { description: 'the department' },
  project: { description: 'the project', pattern: /^\w+$/ },
}

const record: ConnectorRecord = {
  kind: 'journal',
  id: 'je_1',
  key: 'je_1',
  recordedAt: '2026-11-01T00:00:00Z',
  document: { entity_id: 'eu', currency: 'EUR', customer_id: 'acme', plan: 'pro' },
}

let files = 0
function mappingOf(text: string, erpId?: string) {
  files += 1
  const file = join(folder, `mapping-${files}.yaml`)
  writeFileSync(file, text)
  const customerIds = { of: async () => (erpId === undefined ? {} : { erp: erpId }) }
  return { file, mappings: new MappingOfFile({ file, fields, customersAre: 'erp', customerIds }) }
}

const good = `accounts: { "1200": 119, "4000": "54" }
subsidiary: { eu: "3" }
department:
  - match: { plan: [pro, team], account: "4000" }
    value: "12"
  - from: segment.cost_center
  - match: { account: "1200" }
    omit: true
`

test('every fault is told with its line and the nearest name', () => {
  const parsed = parseMappingFile(
    `acounts: { "1200": "119" }
accounts: { "1200": north }
department:
  - match: { pln: pro }
    value: "1"
  - value: "2"
  - match: { plan: pro }
    value: "3"
    omit: true
`,
    'm.yaml',
    fields,
  )
  const told =
    parsed.kind === 'invalid' ? parsed.problems.map(one => `${one.line} ${one.code} ${one.message}`) : []
  expect(told).toEqual([
    '1 unknown_key This kind of connection has no field acounts; the nearest known name is accounts.',
    expect.stringMatching(/^1 missing_field The field subsidiary is missing: the subsidiary/),
    expect.stringMatching(/^2 invalid_value The value of accounts.1200 must be of the form/),
    expect.stringMatching(/^4 unknown_key There is no pln in a record; .*nearest known name is plan/),
    expect.stringMatching(/^6 rule_never_reached/),
    expect.stringMatching(/^7 invalid_value A rule has exactly one/),
  ])
})

test('the first rule that agrees decides, also one that takes a segment as it is or leaves the field out', async () => {
  const mapping = await mappingOf(good, 'C-7').mappings.of(record)
  expect(mapping.value('subsidiary')).toBe('3')
  expect(mapping.account({ account: '1200' })).toBe('119')
  expect(mapping.optional('department', { account: '4000' })).toBe('12')
  expect(mapping.optional('department', { account: '1200', segments: { cost_center: 'cc9' } })).toBe('cc9')
  expect(mapping.optional('department', { account: '1200' })).toBeUndefined()
  expect(mapping.customer()).toBe('C-7')
  expect(mapping.refusal()).toBeUndefined()
})

test('what nothing maps refuses the record once, with field, value, file and nearest name', async () => {
  const { file, mappings } = mappingOf(good)
  const mapping = await mappings.of({ ...record, document: { ...record.document, entity_id: 'us' } })
  expect(mapping.account({ account: '4001' })).toBe('')
  expect(mapping.value('subsidiary')).toBe('')
  expect(mapping.optional('department', { account: '4001' })).toBe('')
  expect(mapping.refusal()).toEqual({
    kind: 'refused',
    code: 'unmapped_value',
    detail:
      `accounts: account 4001 is not in ${file}; the nearest known name is 4000; ` +
      `subsidiary: entity us is not in ${file}; the nearest known name is eu; ` +
      `department: no rule in ${file} agrees with plan pro, account 4001`,
  })
  const unknown = await mappings.of(record)
  expect(unknown.customer()).toBe('')
  expect(unknown.refusal()).toMatchObject({ kind: 'refused', code: 'customer_not_mapped' })
})

test('a mended file counts at once, and one that is broken stops the connection', async () => {
  const { file, mappings } = mappingOf(good.replace('eu:', 'fr:'))
  const refused = await mappings.of(record)
  refused.value('subsidiary')
  expect(refused.refusal()).toMatchObject({ kind: 'refused' })
  writeFileSync(file, good)
  const mended = await mappings.of(record)
  expect(mended.value('subsidiary')).toBe('3')
  writeFileSync(file, 'accounts: [')
  const broken = await mappings.of(record)
  broken.value('subsidiary')
  expect(broken.refusal()).toMatchObject({ kind: 'stopped', code: 'mapping_invalid' })
  expect(await mappings.problem()).toMatchObject({ detail: expect.stringContaining(`${file}:1:`) })
})

test('a text of the record and an external id must have the form of the field too: they become parts of queries', async () => {
  const text = `${good}project: [{ from: segment.project }]\n`
  const mapping = await mappingOf(text, "x' or AccountNumber != '").mappings.of(record)
  expect(mapping.customer()).toBe('')
  expect(mapping.refusal()).toMatchObject({
    kind: 'refused',
    code: 'customer_not_mapped',
    detail: expect.stringContaining("x' or AccountNumber != ' is not of the form"),
  })
  const other = await mappingOf(text, 'C-7').mappings.of(record)
  expect(other.value('project', { segments: { project: 'p1' } })).toBe('p1')
  expect(other.refusal()).toBeUndefined()
  expect(other.value('project', { segments: { project: '../p1' } })).toBe('')
  expect(other.refusal()).toMatchObject({ kind: 'refused', code: 'unmapped_value' })
})

test('a segment with a name that every object has is none', async () => {
  const names = ['__proto__', 'constructor', 'toString']
  for (const name of names) {
    const { mappings } = mappingOf(good.replace('segment.cost_center', `segment.${name}`), 'C-7')
    const mapping = await mappings.of(record)
    expect(mapping.optional('department', { account: '1200', segments: {} })).toBeUndefined()
  }
})
