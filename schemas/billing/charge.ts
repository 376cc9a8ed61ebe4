// The charge: the amount owed for one price over one segment of a service period, in memory and on the wire.
// Contract section 4. Invariant: a written charge is read back equal.

import { z } from 'zod'
import {
  boundaryField,
  currencyField,
  decimalField,
  instantField,
  nameField,
  rejectionOfIssues,
} from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import type { Parsed } from '../rejection.js'
import { formatInstant } from '../time.js'
import { type Discount, type DiscountWire, discountOf, discountSchema, discountToWire } from './discount.js'
import { type MadeUpFor, type MadeUpForWire, madeUpForSchema, madeUpForToWire } from './made-up-for.js'
import { type TaxLine, type TaxLineWire, taxLineOf, taxLineSchema, taxLineToWire } from './tax-line.js'

/** In the order in which packed states number them: new kinds are appended. */
export const chargeKinds = ['usage', 'recurring', 'adjustment', 'one_off', 'credit', 'commitment'] as const
export type ChargeKind = (typeof chargeKinds)[number]

/** Instants are epoch nanoseconds, half-open; amounts are scaled (10^-12), `amountRounded` included. */
export interface Charge {
  /** Same (subscription, price, segment start), same id, on every machine and in `simulate`. */
  readonly chargeId: string
  readonly customerId: string
  readonly subscriptionId: string
  readonly subscriptionVersion: number
  readonly entityId: string
  readonly contractId: string
  /** Of the lifecycle event that set the version in force, else of the `created`. */
  readonly correlationId: string
  readonly plan: string
  readonly planVersion: number
  readonly price: string
  /** Of a usage price; empty for the others. */
  readonly meter: string
  readonly kind: ChargeKind
  readonly timing: 'in_advance' | 'in_arrears'
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** IANA name; entries are booked by its days and months. */
  readonly timezone: string
  readonly quantity: Scaled
  /** Net of `discounts`. */
  readonly amount: Scaled
  readonly amountRounded: Scaled
  readonly currency: string
  readonly status: 'open' | 'closed'
  readonly corrects?: string
  readonly billingRunId?: string
  /** Of a sealed line: who pays, and whose part the customer is, as of the sealing; absent where nobody has said so. */
  readonly billToCustomerId?: string
  readonly parentCustomerId?: string
  /** Tax that a source gave with it; absent where none did. */
  readonly taxLines?: readonly TaxLine[]
  /** What coupons took off, in their order; with `amount` it adds up to the charge before coupons. Absent: nothing. */
  readonly discounts?: readonly Discount[]
  /** Of kind `commitment` alone, and of what adjusts it: what it makes up for. */
  readonly madeUpFor?: MadeUpFor
}

/** A charge as JSON: in batches, in `simulate --json` and in the ledger's sealed lines. */
export interface ChargeWire {
  readonly charge_id: string
  readonly customer_id: string
  readonly subscription_id: string
  readonly subscription_version: number
  readonly entity_id: string
  readonly contract_id: string
  readonly correlation_id: string
  readonly plan: string
  readonly plan_version: number
  readonly price: string
  readonly meter: string
  readonly kind: ChargeKind
  readonly timing: 'in_advance' | 'in_arrears'
  readonly service_period: { readonly from: string; readonly until: string }
  readonly timezone: string
  readonly quantity: string
  readonly amount: string
  readonly amount_rounded: string
  readonly currency: string
  readonly status: 'open' | 'closed'
  readonly corrects?: string
  readonly billing_run_id?: string
  readonly bill_to_customer_id?: string
  readonly parent_customer_id?: string
  readonly tax_lines?: readonly TaxLineWire[]
  readonly discounts?: readonly DiscountWire[]
  readonly makes_up_for?: MadeUpForWire
}

export const servicePeriodSchema = z.object({ from: instantField, until: boundaryField })

export const chargeSchema = z.object({
  charge_id: nameField,
  customer_id: nameField,
  subscription_id: z.string().meta({ description: 'Empty for a charge that was added to no subscription.' }),
  subscription_version: z.int().min(0),
  entity_id: z.string(),
  contract_id: z.string(),
  correlation_id: z.string(),
  plan: z.string().meta({ description: 'Empty, with version 0, where there is no subscription.' }),
  plan_version: z.int().min(0),
  price: nameField,
  meter: z.string().meta({ description: 'Of a usage price; empty for the others.' }),
  kind: z.enum(chargeKinds),
  timing: z.enum(['in_advance', 'in_arrears']),
  service_period: servicePeriodSchema,
  timezone: nameField.meta({
    description: 'Of the subscription (IANA); its days and months date what is booked.',
  }),
  quantity: decimalField,
  amount: decimalField,
  amount_rounded: decimalField,
  currency: currencyField,
  status: z.enum(['open', 'closed']),
  corrects: nameField.optional(),
  billing_run_id: nameField.optional(),
  bill_to_customer_id: nameField.optional().meta({ description: 'Who pays, as of the sealing.' }),
  parent_customer_id: nameField.optional().meta({ description: 'Whose part the customer is, likewise.' }),
  tax_lines: z.array(taxLineSchema).min(1).optional().meta({ description: 'As a source gave them.' }),
  discounts: z
    .array(discountSchema)
    .min(1)
    .optional()
    .meta({ description: 'What coupons took off; amount is net of it.' }),
  makes_up_for: madeUpForSchema.optional().meta({
    description: 'Of kind commitment: the bound, and what counted. amount is the one less the other.',
  }),
})

/** Keys are always in this order, on which the checksum of a billing batch rests. */
export function chargeToWire(charge: Charge): ChargeWire {
  return {
    charge_id: charge.chargeId,
    customer_id: charge.customerId,
    subscription_id: charge.subscriptionId,
    subscription_version: charge.subscriptionVersion,
    entity_id: charge.entityId,
    contract_id: charge.contractId,
    correlation_id: charge.correlationId,
    plan: charge.plan,
    plan_version: charge.planVersion,
    price: charge.price,
    meter: charge.meter,
    kind: charge.kind,
    timing: charge.timing,
    service_period: { from: formatInstant(charge.fromNs), until: formatInstant(charge.untilNs) },
    timezone: charge.timezone,
    quantity: formatScaled(charge.quantity),
    amount: formatScaled(charge.amount),
    amount_rounded: formatScaled(charge.amountRounded),
    currency: charge.currency,
    status: charge.status,
    ...(charge.corrects === undefined ? {} : { corrects: charge.corrects }),
    ...(charge.billingRunId === undefined ? {} : { billing_run_id: charge.billingRunId }),
    ...(charge.billToCustomerId === undefined ? {} : { bill_to_customer_id: charge.billToCustomerId }),
    ...(charge.parentCustomerId === undefined ? {} : { parent_customer_id: charge.parentCustomerId }),
    ...(charge.taxLines === undefined ? {} : { tax_lines: charge.taxLines.map(taxLineToWire) }),
    ...(charge.discounts === undefined ? {} : { discounts: charge.discounts.map(discountToWire) }),
    ...(charge.madeUpFor === undefined ? {} : { makes_up_for: madeUpForToWire(charge.madeUpFor) }),
  }
}

export function chargeFromWire(value: unknown): Parsed<Charge> {
  const parsed = chargeSchema.safeParse(value)
  if (!parsed.success) return { kind: 'rejected', rejection: rejectionOfIssues(parsed.error, '') }
  return { kind: 'ok', value: chargeOf(parsed.data) }
}

export function chargeOf(wire: z.output<typeof chargeSchema>): Charge {
  return {
    chargeId: wire.charge_id,
    customerId: wire.customer_id,
    subscriptionId: wire.subscription_id,
    subscriptionVersion: wire.subscription_version,
    entityId: wire.entity_id,
    contractId: wire.contract_id,
    correlationId: wire.correlation_id,
    plan: wire.plan,
    planVersion: wire.plan_version,
    price: wire.price,
    meter: wire.meter,
    kind: wire.kind,
    timing: wire.timing,
    fromNs: wire.service_period.from,
    untilNs: wire.service_period.until,
    timezone: wire.timezone,
    quantity: wire.quantity,
    amount: wire.amount,
    amountRounded: wire.amount_rounded,
    currency: wire.currency,
    status: wire.status,
    ...(wire.corrects === undefined ? {} : { corrects: wire.corrects }),
    ...(wire.billing_run_id === undefined ? {} : { billingRunId: wire.billing_run_id }),
    ...(wire.bill_to_customer_id === undefined ? {} : { billToCustomerId: wire.bill_to_customer_id }),
    ...(wire.parent_customer_id === undefined ? {} : { parentCustomerId: wire.parent_customer_id }),
    ...(wire.tax_lines === undefined ? {} : { taxLines: wire.tax_lines.map(taxLineOf) }),
    ...(wire.discounts === undefined ? {} : { discounts: wire.discounts.map(discountOf) }),
    ...(wire.makes_up_for === undefined ? {} : { madeUpFor: wire.makes_up_for }),
  }
}
