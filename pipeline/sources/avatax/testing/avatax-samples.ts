// Samples of a source of kind `avatax`, in the shapes of AvaTax's own models.

import type { Sample, SourceSamples } from '../../testing/samples.js'
import { standardSamples } from '../../testing/standard-samples.js'
import { avataxKind } from '../kind.js'

const detail = (jurisType: string, jurisName: string, rate: number, tax: number, taxable = 100) => ({
  ...{
    country: 'US',
    region: 'CA',
    jurisType,
    jurisName,
    rate,
    tax,
    taxableAmount: taxable,
    exemptAmount: 0,
  },
  taxName: `CA ${jurisType} TAX`,
})

export const line = {
  ...{ lineNumber: '1', lineAmount: 100, tax: 7.25, taxCode: 'SW054003', ref1: 'ch_1', taxableAmount: 100 },
  details: [detail('STA', 'CALIFORNIA', 0.06, 6), detail('CTY', 'ALAMEDA', 0.0125, 1.25)],
}

/** A transaction as it stands at the second of a day. */
export function transaction(second: number, more: object = {}): object {
  return {
    ...{
      id: 81_000_000 + second,
      code: 'INV-1',
      companyId: 12345,
      type: 'SalesInvoice',
      status: 'Committed',
    },
    ...{ date: '2026-10-01', customerCode: 'cus_1', currencyCode: 'USD', referenceCode: 'in_1', version: 1 },
    ...{
      adjustmentReason: 'NotAdjusted',
      totalAmount: 100,
      totalTaxable: 100,
      totalExempt: 0,
      totalTax: 7.25,
    },
    ...{ modifiedDate: `2026-10-02T10:00:${String(second).padStart(2, '0')}.123`, lines: [line] },
    ...more,
  }
}

export const refusal = {
  at: '2026-10-02T09:00:00Z',
  request: {
    code: 'INV-1',
    type: 'SalesInvoice',
    companyCode: 'DEFAULT',
    customerCode: 'cus_1',
    currencyCode: 'USD',
  },
  error: {
    ...{ code: 'InvalidAddress', message: 'The address is not deliverable.', target: 'IncorrectData' },
    details: [
      { code: 'InvalidAddress', number: 309, message: 'The address is not deliverable.', severity: 'Error' },
    ],
  },
}

export const sample = (name: string, body: object): Sample => ({ name, body: JSON.stringify(body) })

export const avataxSamples: SourceSamples = {
  kind: avataxKind,
  settings: { company_code: 'DEFAULT' },
  hasNoAge: true,
  logsIn: true,
  secrets: ['in_use', 'that_it_replaces'],
  otherSecret: 'of_somebody_else',
  identities: new Map([['customer cus_1', 'acme']]),
  request: ({ body }, secret) => ({
    path: '/v1/webhooks/sample',
    headers: { authorization: `Basic ${Buffer.from(`weir:${secret}`).toString('base64')}` },
    body: Buffer.from(body),
  }),
  withoutProof: request => ({ ...request, headers: {} }),
  good: [sample('committed', transaction(1)), sample('failed', refusal)],
  states: [
    sample('pending', transaction(1, { status: 'Saved' })),
    sample('committed', transaction(2)),
    sample('adjusted', transaction(3, { version: 2, adjustmentReason: 'PriceAdjusted' })),
    sample('voided', transaction(4, { status: 'Cancelled', version: 2 })),
  ],
  unknownType: sample('purchase', transaction(1, { type: 'PurchaseInvoice' })),
  missingField: sample('without a customer', transaction(1, { customerCode: undefined })),
  versions: [
    [
      sample('customerCode', transaction(1)),
      sample('older', transaction(1, { customerCode: undefined, customerVendorCode: 'cus_1' })),
    ],
  ],
  bodyOf: bytes => {
    const { body } = sample('', transaction(1))
    return {
      name: 'large',
      body: body.replace(/}$/, `,"description":"${'x'.repeat(Math.max(0, bytes - body.length - 18))}"}`),
    }
  },
}

const { logsIn: _, hasNoAge: __, ...unproven } = avataxSamples
const { secrets, otherSecret, request, withoutProof } = standardSamples

/** The same, signed by Standard Webhooks in place of the login. */
export const avataxSignedSamples: SourceSamples = {
  ...unproven,
  ...{ secrets, otherSecret, request, withoutProof },
}
