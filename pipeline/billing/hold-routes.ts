// The routes of what people hold back of billing runs.

import { z } from 'zod'
import { heldBackSchema } from '../../schemas/billing/held-back.js'
import { Problem } from '../gateway/problem.js'
import { type ApiReply, type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import type { BillingHolds } from './holds.js'
import { billingTag } from './routes.js'

const idText = z.string().min(1).max(256)
const reasonText = z.string().trim().min(1).max(2_000)

const holdBody = z
  .strictObject({
    customer_id: idText,
    subscription_id: idText.nullish().describe('Hold this subscription alone'),
    reason: reasonText.describe('Why it must not be billed now'),
  })
  .meta({ id: 'PlaceBillingHold' })

const releaseBody = z
  .strictObject({
    customer_id: idText,
    subscription_id: idText.nullish().describe('As it was held'),
    reason: reasonText.describe('Why it may be billed again'),
  })
  .meta({ id: 'ReleaseBillingHold' })

const whoSchema = z.object({ key_id: z.string(), name: z.string() }).nullable()

const viewSchema = z
  .object({
    hold_id: z.string(),
    customer_id: z.string(),
    subscription_id: z.string().nullable().describe('Null: all of the customer'),
    reason: z.string(),
    held_at: z.string(),
    held_by: whoSchema,
    released_at: z.string().nullable().describe('Null: it is held'),
    released_by: whoSchema,
  })
  .meta({ id: 'BillingHold' })

const notBilledSchema = heldBackSchema
  .extend({
    billing_run_id: z.string().describe('The last run that left it out'),
    cutoff: z.string(),
  })
  .meta({
    id: 'NotBilled',
    description: 'Of one customer or subscription, entity and currency; the dates are those of its entries',
  })

const hold = {
  hold_id: 'bh_0d3182670839c2950ac3982af2fe161e',
  ...{ customer_id: 'acme', subscription_id: null, reason: 'disputes its usage' },
  ...{ held_at: '2026-02-01T05:00:00Z', held_by: { key_id: '0123456789ab', name: 'finance' } },
  ...{ released_at: null, released_by: null },
} satisfies z.input<typeof viewSchema>

const left = {
  ...{ customer_id: 'acme', subscription_id: null, entity_id: 'de', currency: 'EUR' },
  ...{ line_count: 2, amount_rounded: '33.46', first_date: '2026-01-31', last_date: '2026-02-01' },
  ...{ billing_run_id: 'br_0d3182670839c2950ac3982af2fe161e', cutoff: '2026-02-01T00:00:00Z' },
} satisfies z.input<typeof notBilledSchema>

const billingScope = needs('billing')

/** `isKnown`: whether some subscription of the customer, or this one, is known; undefined: nobody can tell now. */
export type IsKnown = (customerId: string, subscriptionId: string | null) => Promise<boolean | undefined>

export function holdRoutes(holds: BillingHolds, isKnown: IsKnown): readonly ApiRoute[] {
  return [listRoute(holds), placeRoute(holds, isKnown), releaseRoute(holds)]
}

function listRoute(holds: BillingHolds): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/billing-holds',
    access: needs('read', 'billing'),
    operationId: 'listBillingHolds',
    tag: billingTag,
    summary: 'What is held back of billing runs',
    description:
      'The customers and subscriptions that runs leave out, and what runs have left out that no later run has billed, also when ' +
      'it is released.',
    responses: {
      200: {
        description: 'The holds.',
        schema: z.object({ billing_holds: z.array(viewSchema), not_billed: z.array(notBilledSchema) }),
        example: { billing_holds: [hold], not_billed: [left] },
      },
    },
    async handle(): Promise<ApiReply> {
      const body = { billing_holds: await holds.list(), not_billed: await holds.notBilled() }
      return { status: 200, body }
    },
  }
}

function placeRoute(holds: BillingHolds, isKnown: IsKnown): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/billing-holds',
    audits: ['billing_hold.placed'],
    access: billingScope,
    operationId: 'placeBillingHold',
    tag: billingTag,
    summary: 'Hold a customer back from billing runs',
    description:
      'Runs that are requested from now on, previews too, leave the customer or the subscription out: its charges, credits and ' +
      'rebills. A run says what it left out. Once released, the next run bills it, with its own dates.',
    body: jsonBody(holdBody, { customer_id: 'acme', reason: 'disputes its usage' }),
    responses: {
      201: { description: 'It is held.', schema: viewSchema, example: hold },
      200: { description: 'It was held before; that hold stays.', schema: viewSchema, example: hold },
    },
    problems: ['invalid_request', 'not_found'],
    async handle(call): Promise<ApiReply> {
      const { customer_id, subscription_id = null, reason } = await readJson(call, holdBody)
      if ((await isKnown(customer_id, subscription_id)) === false) {
        const which = subscription_id === null ? 'subscription' : `subscription ${subscription_id}`
        throw new Problem('not_found', `The customer ${customer_id} has no ${which}.`)
      }
      const placed = await holds.place({ customer_id, subscription_id }, reason, call.caller)
      return { status: placed.created ? 201 : 200, body: placed.hold }
    },
  }
}

function releaseRoute(holds: BillingHolds): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/billing-holds/release',
    audits: ['billing_hold.released'],
    access: billingScope,
    operationId: 'releaseBillingHold',
    tag: billingTag,
    summary: 'Release what is held back',
    description:
      'The next run bills what was left out; a run with `customer_id` bills it alone. What it bills is dated as if it had never ' +
      'been held.',
    body: jsonBody(releaseBody, { customer_id: 'acme', reason: 'the dispute is settled' }),
    responses: {
      200: {
        description: 'It is released.',
        schema: viewSchema,
        example: { ...hold, released_at: '2026-02-03T08:00:00Z', released_by: hold.held_by },
      },
    },
    problems: ['invalid_request', 'not_found'],
    async handle(call): Promise<ApiReply> {
      const { customer_id, subscription_id = null, reason } = await readJson(call, releaseBody)
      const released = await holds.release({ customer_id, subscription_id }, reason, call.caller)
      if (released === undefined) {
        const which = subscription_id === null ? '' : `, subscription ${subscription_id},`
        throw new Problem('not_found', `The customer ${customer_id}${which} is not held back.`)
      }
      return { status: 200, body: released }
    },
  }
}
