// Samples of a source of kind `salesforce`: documents as the reach writes them, and changes as they are told.

import type { CrmRecord } from '../quotes/deal.js'
import { documentDraft, readDocument, type SoldDocument } from '../salesforce/documents.js'
import { salesforceKind } from '../salesforce/kind.js'
import { quoteMapping } from './quote-files.js'
import { quoteFolder } from './quote-folder.js'
import type { Sample, SourceSamples } from './samples.js'

export const settings = {
  instance_url: 'http://127.0.0.1:1',
  login: { client_id: 'weir', client_secret: { variable: 'SECRET' } },
  ids: { customer: ['table'] },
}

const stamp = (second: number) => new Date(Date.UTC(2026, 0, 10, 0, 0, second)).toISOString()

export const account = (more: CrmRecord = {}): CrmRecord => ({
  ...{ Id: '001000000000001AAA', Name: 'Acme', ParentId: '001000000000002AAA', BillingCountryCode: 'DE' },
  ...{ CurrencyIsoCode: 'EUR', Payer__c: '001000000000003AAA', Entity__c: 'Germany' },
  SystemModstamp: stamp(1),
  ...more,
})

export const line = (id: string, product: string, quantity: number, more: CrmRecord = {}): CrmRecord => ({
  ...{ Id: id, SBQQ__ProductCode__c: product, SBQQ__Quantity__c: quantity, SystemModstamp: stamp(1) },
  ...more,
})

export const quote = (more: CrmRecord = {}): CrmRecord => ({
  ...{ Id: 'a0Q000000000001AAA', SBQQ__Primary__c: true, SBQQ__Type__c: 'Quote', SystemModstamp: stamp(2) },
  ...{ SBQQ__StartDate__c: '2026-03-01', SBQQ__SubscriptionTerm__c: 12, CurrencyIsoCode: 'EUR' },
  ...{ SBQQ__PaymentTerms__c: 'Net 30', SBQQ__BillingFrequency__c: 'Monthly' },
  ...more,
})

const won = { Id: '006000000000001AAA', IsWon: true, IsClosed: true, SystemModstamp: stamp(3) }

export function sold(lines: readonly CrmRecord[], more: Partial<SoldDocument> = {}): SoldDocument {
  return {
    ...{ read: 'sold', at_ms: Date.UTC(2026, 0, 10, 1), root: 'a0Q000000000001AAA', account: account() },
    ...{ above: [{ Id: '001000000000002AAA' }], opportunity: won, contracts: [], subscriptions: [] },
    steps: [{ record: quote(), lines, opportunity: won }],
    ...more,
  }
}

export const bundle = (seats: number): readonly CrmRecord[] => [
  line('a0L01', 'PRO', 1),
  line('a0L02', 'SEAT', seats, { SBQQ__RequiredBy__c: 'a0L01', SBQQ__NetPrice__c: 20 }),
]

const sampleOf = (name: string, value: unknown): Sample => ({ name, body: JSON.stringify(value) })
const state = (name: string, seats: number, hour: number) =>
  sampleOf(name, sold(bundle(seats), { at_ms: Date.UTC(2026, 0, 10, hour) }))

export const salesforceMapping = `${quoteMapping}fields:
  account: { bill_to: Payer__c, entity: Entity__c }
`

const change = {
  ...{ told: 'change', entity: 'Opportunity', record_id: '006000000000001AAA', change_type: 'UPDATE' },
  ...{ origin: 'com/salesforce/api/soap/58.0;client=Sales', user: '005000000000001AAA', commit_ms: 1 },
}
const accountDocument = { read: 'account', at_ms: 1_768_000_000_000, account: account(), above: [] }

export const salesforceSamples: SourceSamples = {
  kind: salesforceKind,
  settings,
  mapping: salesforceMapping,
  folder: quoteFolder(),
  secrets: ['a', 'b'],
  otherSecret: 'c',
  identities: new Map([
    ['customer 001000000000001AAA', 'acme'],
    ['customer 001000000000002AAA', 'acme-group'],
    ['customer 001000000000003AAA', 'acme-finance'],
  ]),
  signed: [],
  drafts({ name, body }) {
    const bytes = Buffer.from(body)
    const document = readDocument(bytes)
    const facts = document !== undefined && 'read' in document ? documentDraft(document) : undefined
    return [
      {
        id: facts?.id ?? `${name}-1`,
        type: facts?.type ?? 'UPDATE.Opportunity',
        occurredAtMs: 1_768_000_000_000,
        bytes,
      },
    ]
  },
  request: (_, __, ___) => ({ path: '/v1/webhooks/sample', headers: {}, body: Buffer.from('{}') }),
  withoutProof: request => request,
  good: [state('sold', 5, 1), sampleOf('account', accountDocument)],
  states: [state('first', 5, 1), state('second', 7, 2), state('third', 6, 3)],
  unknownType: sampleOf('change', { ...change, record_id: 'no id' }),
  missingField: sampleOf(
    'missing',
    sold([line('a0L01', 'PRO', 1), { Id: 'a0L02', SBQQ__ProductCode__c: 'SEAT' }]),
  ),
  bodyOf(bytes) {
    const text = JSON.stringify(sold(bundle(5), { contracts: [{ Padding: '' }] }))
    return {
      name: 'large',
      body: text.replace('"Padding":""', `"Padding":"${'x'.repeat(bytes - text.length)}"`),
    }
  },
}
