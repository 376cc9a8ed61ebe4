// The routes of personal data: opening sealed values, and erasing a customer. Both are entered in the audit trail before they
// take effect.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import { parseSealed } from '../../schemas/personal-data/sealed-value.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { type ApiRoute, type ApiTag, jsonBody, needs, readJson } from '../gateway/route.js'
import type { CustomerKeys } from './customer-keys.js'
import type { SealingKey } from './sealing-key.js'

const mostValues = 1_000
const privacyTag: ApiTag = {
  name: 'Personal data',
  description: 'Values that are kept sealed: opening them, and erasing them for ever.',
}
const customerField = z.string().min(1).max(256)
const reasonField = z.string().trim().min(1).max(1_000)

const revealBody = z
  .strictObject({
    customer_id: customerField,
    values: z
      .array(z.string().min(1).max(100_000))
      .min(1)
      .max(mostValues)
      .describe('Sealed values, as they are kept'),
    reason: reasonField.describe('Kept in the audit trail'),
  })
  .meta({ id: 'RevealRequest' })

const revealedSchema = z
  .object({
    values: z.array(
      z.object({
        sealed: z.string(),
        state: z.enum(['revealed', 'erased', 'not_sealed', 'of_another_customer']),
        value: z.unknown().describe('As it was sent; null unless revealed'),
      }),
    ),
  })
  .meta({ id: 'Revealed' })

const eraseBody = z
  .strictObject({ customer_id: customerField, reason: reasonField })
  .meta({ id: 'EraseRequest' })

const erasedSchema = z
  .object({
    customer_id: z.string(),
    generation: z
      .int()
      .nullable()
      .describe('Of the key that is destroyed; null: nothing of the customer was sealed'),
    erased_at: z.iso.datetime().nullable(),
    was_erased: z.boolean().describe('It was erased before'),
  })
  .meta({ id: 'Erased' })

export function privacyRoutes(keys: CustomerKeys, audit: AuditTrail): readonly ApiRoute[] {
  return [revealRoute(keys, audit), eraseRoute(keys, audit)]
}

function revealRoute(keys: CustomerKeys, audit: AuditTrail): ApiRoute {
  const sealed = 'pd1.1.1q2w3e4r5t6y7u8i9o0pAQ'
  return {
    method: 'POST',
    path: '/v1/personal-data/reveal',
    audits: ['personal_data.revealed'],
    access: needs('reveal'),
    operationId: 'revealPersonalData',
    tag: privacyTag,
    summary: 'Open sealed values of a customer',
    description:
      'Needs the scope `reveal`. Who asked, for whom and why is in the audit trail; the values are not.',
    body: jsonBody(revealBody, { customer_id: 'acme', values: [sealed], reason: 'support case 4711' }),
    responses: {
      200: {
        description: 'Each value, in the order of the request.',
        schema: revealedSchema,
        example: { values: [{ sealed, state: 'revealed', value: 'ann@example.com' }] },
        headers: { 'cache-control': 'no-store: the values are in no cache.' },
      },
    },
    problems: ['invalid_request'],
    async handle(call) {
      const { customer_id, values, reason } = await readJson(call, revealBody)
      await audit.record({
        caller: call.caller,
        act: 'personal_data.revealed',
        object: { kind: 'customer', id: customer_id },
        reason,
        after: { values: values.length },
      })
      const key = await keys.find(customer_id)
      const body = { values: values.map(value => reveal(value, key)) }
      return { status: 200, body, headers: { 'cache-control': 'no-store' } }
    },
  }
}

function reveal(sealed: string, key: SealingKey | undefined) {
  const parsed = parseSealed(sealed)
  if (parsed === undefined) return { sealed, state: 'not_sealed', value: null }
  const json = key?.open(sealed)
  if (json !== undefined) {
    const value = parseJson(json)
    return { sealed, state: 'revealed', value: value.kind === 'ok' ? value.value : json }
  }
  const isGone = key === undefined || parsed.generation < key.generation
  return { sealed, state: isGone ? 'erased' : 'of_another_customer', value: null }
}

function eraseRoute(keys: CustomerKeys, audit: AuditTrail): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/personal-data/erase',
    audits: ['personal_data.erased'],
    access: needs('admin'),
    operationId: 'erasePersonalData',
    tag: privacyTag,
    summary: 'Erase the personal data of a customer',
    description:
      'Destroys the key of the customer: what was sealed with it cannot be opened any more, wherever a copy lies. Charges, ' +
      'totals and proofs stay. It cannot be undone. Doing it again changes nothing.',
    body: jsonBody(eraseBody, { customer_id: 'acme', reason: 'request of 2026-11-02' }),
    responses: {
      200: {
        description: 'The erasure.',
        schema: erasedSchema,
        example: {
          customer_id: 'acme',
          generation: 1,
          erased_at: '2026-11-02T09:00:00.000Z',
          was_erased: false,
        },
      },
    },
    problems: ['invalid_request'],
    async handle(call) {
      const { customer_id, reason } = await readJson(call, eraseBody)
      const object = { kind: 'customer', id: customer_id }
      await audit.record({ caller: call.caller, act: 'personal_data.erased', object, reason })
      const { generation, erasedAt, wasErased } = await keys.erase(customer_id)
      return { status: 200, body: { customer_id, generation, erased_at: erasedAt, was_erased: wasErased } }
    },
  }
}
