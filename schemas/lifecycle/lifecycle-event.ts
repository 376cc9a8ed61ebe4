// Lifecycle and revenue events: the internal form of the `data` of each `weir.*` type. Contract section 2.
// Invariants: a parsed change names exactly the fields that it sets; the sender left out an absent field. The
// content of a version is the event's type and data, not the id or time of its event.

import type { Catalog, Price } from '../catalog/catalog.js'
import { parseCatalogValue, parsePrice, rejectionOf } from '../catalog/catalog-parser.js'
import { comparedData } from '../event/compared-data.js'
import { hashOfValue } from '../event/event-hash.js'
import { isGlobalType } from '../event/event-stream.js'
import type { ValidEvent } from '../event/usage-event.js'
import { present } from '../json/wire-fields.js'
import type { Scaled } from '../money/decimal.js'
import { nearestHint, shownName } from '../nearest-name.js'
import { maskFreeTexts } from '../personal-data/field-rules.js'
import { type Parsed, rejected } from '../rejection.js'
import { beginninglessNs } from '../time.js'
import {
  type ChargeAdded,
  type ChargeCancelled,
  parseChargeAdded,
  parseChargeCancelled,
} from './charge-event.js'
import { type Commitment, commitmentsOf } from './commitment.js'
import { dataOf, textOf } from './event-fields.js'
import type { Gate } from './gates.js'
import {
  amendedData,
  catalogData,
  createdData,
  customerData,
  customerStatusData,
  fxRateData,
  invoiceData,
  renewedData,
  statusData,
} from './lifecycle-data.js'
import { type PaymentEvent, parsePayment } from './payment-event.js'
import { parseTax, type TaxEvent, type TaxStatus } from './tax-event.js'
import {
  parseRetraction,
  parseUsageAmendment,
  type UsageAmendment,
  type UsageRetraction,
} from './usage-changes.js'

export type SubscriptionChangeKind = 'created' | 'amended' | 'renewed' | 'suspended' | 'resumed' | 'cancelled'

/** One change of one subscription. Instants are epoch nanoseconds; an end that is removed is `endlessNs`. */
export interface SubscriptionChange {
  readonly kind: SubscriptionChangeKind
  readonly subscriptionId: string
  readonly customerId: string
  /** The subscription version, raised by the system of record with each change. A safe integer >= 0. */
  readonly sequence: number
  readonly effectiveFromNs: bigint
  readonly plan?: string
  /** When absent in the event, the newest version published when the change is applied is filled in then. */
  readonly planVersion?: number
  readonly quantities?: ReadonlyMap<string, Scaled>
  readonly priceOverrides?: readonly Price[]
  /** Codes, in the order in which they are taken off; empty: none any more. */
  readonly coupons?: readonly string[]
  /** Empty: none any more. */
  readonly commitments?: readonly Commitment[]
  /** `endlessNs` when there is no end. */
  readonly effectiveUntilNs?: bigint
  readonly entityId?: string
  /** Only in `created`, like `poNumber` and `timezone`. */
  readonly contractId?: string
  readonly poNumber?: string
  readonly billingAnchorNs?: bigint
  readonly timezone?: string
  /** `beginninglessNs` when there is no trial. */
  readonly trialUntilNs?: bigint
  readonly reason?: string
  /** The sender's own fields: the JSON text of an object. */
  readonly metadata?: string
  /** These attributes are carried to rows and postings, and name the event that caused a correction. */
  readonly eventSource: string
  readonly eventId: string
  readonly correlationId: string
  /** Hash of type and data; a repeated version has the same hash, a conflicting one another. */
  readonly contentHash: string
}

export interface CustomerProfile {
  readonly customerId: string
  readonly name?: string
  readonly entityId?: string
  readonly currency?: string
  readonly crmId?: string
  readonly billingId?: string
  readonly erpId?: string
  /** Who pays, and whose part the customer is; null: nobody any more; absent: as before. */
  readonly billTo?: string | null
  readonly parent?: string | null
  /** JSON text of an object. */
  readonly metadata?: string
}

/** How a check of a customer stands from the event's time on. */
export interface CustomerStatus {
  readonly customerId: string
  readonly gate: Gate
  /** As the sender said it. */
  readonly status: string
  readonly untilNs?: bigint
  readonly reason: string
  readonly reference: string
}

export interface InvoiceEvent {
  readonly status: 'finalized' | 'paid' | 'voided'
  readonly invoiceId: string
  readonly customerId: string
  readonly subscriptionId?: string
  readonly currency: string
  readonly total: Scaled
  readonly dueAtNs?: bigint
}

export interface FxRate {
  readonly base: string
  readonly quote: string
  /** Units of `quote` for one unit of `base`. */
  readonly rate: Scaled
  readonly effectiveFromNs: bigint
}

export type LifecycleEvent =
  | { readonly kind: 'subscription_change'; readonly change: SubscriptionChange }
  | { readonly kind: 'customer_upserted'; readonly customer: CustomerProfile }
  | { readonly kind: 'customer_status'; readonly status: CustomerStatus }
  | { readonly kind: 'usage_retracted'; readonly retraction: UsageRetraction }
  | { readonly kind: 'usage_amended'; readonly amendment: UsageAmendment }
  | { readonly kind: 'charge_added'; readonly charge: ChargeAdded }
  | { readonly kind: 'charge_cancelled'; readonly cancellation: ChargeCancelled }
  | { readonly kind: 'invoice'; readonly invoice: InvoiceEvent }
  | { readonly kind: 'payment'; readonly payment: PaymentEvent }
  | { readonly kind: 'tax'; readonly tax: TaxEvent }
  | { readonly kind: 'catalog_published'; readonly catalog: Catalog }
  | { readonly kind: 'fx_rate'; readonly rate: FxRate }

type Reader = (event: ValidEvent) => Parsed<LifecycleEvent>

function told<V>(parsed: Parsed<V>, eventOf: (value: V) => LifecycleEvent): Parsed<LifecycleEvent> {
  return parsed.kind === 'rejected' ? parsed : { kind: 'ok', value: eventOf(parsed.value) }
}

const readPayment = (status: PaymentEvent['status'], event: ValidEvent) =>
  told(parsePayment(status, event), payment => ({ kind: 'payment', payment }))
const readTax = (status: TaxStatus, event: ValidEvent) =>
  told(parseTax(status, event), tax => ({ kind: 'tax', tax }))

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['weir.subscription.created', readCreated],
  ['weir.subscription.amended', readAmended],
  ['weir.subscription.renewed', readRenewed],
  ['weir.subscription.suspended', event => readStatus('suspended', event)],
  ['weir.subscription.resumed', event => readStatus('resumed', event)],
  ['weir.subscription.cancelled', event => readStatus('cancelled', event)],
  ['weir.customer.upserted', readCustomer],
  ['weir.customer.status_changed', readCustomerStatus],
  [
    'weir.usage.retracted',
    event => told(parseRetraction(event), retraction => ({ kind: 'usage_retracted', retraction })),
  ],
  [
    'weir.usage.amended',
    event => told(parseUsageAmendment(event), amendment => ({ kind: 'usage_amended', amendment })),
  ],
  ['weir.charge.added', event => told(parseChargeAdded(event), charge => ({ kind: 'charge_added', charge }))],
  [
    'weir.charge.cancelled',
    event => told(parseChargeCancelled(event), cancellation => ({ kind: 'charge_cancelled', cancellation })),
  ],
  ['weir.invoice.finalized', event => readInvoice('finalized', event)],
  ['weir.invoice.paid', event => readInvoice('paid', event)],
  ['weir.invoice.voided', event => readInvoice('voided', event)],
  ['weir.payment.succeeded', event => readPayment('succeeded', event)],
  ['weir.payment.failed', event => readPayment('failed', event)],
  ['weir.payment.refunded', event => readPayment('refunded', event)],
  ['weir.payment.disputed', event => readPayment('disputed', event)],
  ['weir.tax.committed', event => readTax('committed', event)],
  ['weir.tax.adjusted', event => readTax('adjusted', event)],
  ['weir.tax.voided', event => readTax('voided', event)],
  ['weir.tax.pending', event => readTax('pending', event)],
  ['weir.tax.failed', event => readTax('failed', event)],
  ['weir.catalog.published', readCatalog],
  ['weir.fx_rate.published', readFxRate],
])

/** Every `weir.*` type that there is. */
export const lifecycleTypes: readonly string[] = [...readers.keys()]

export function parseLifecycleEvent(event: ValidEvent): Parsed<LifecycleEvent> {
  const reader = readers.get(event.type)
  if (reader === undefined) {
    const hint = nearestHint(event.type, lifecycleTypes)
    return rejected('unknown_event_type', `Weir has no event type ${shownName(event.type)}${hint}.`, '/type')
  }
  const customerId = event.data['customer_id']
  if (typeof customerId === 'string' && event.subject !== customerId && !isGlobalType(event.type)) {
    return rejected('customer_mismatch', 'The subject is not the customer_id of the data.', '/subject')
  }
  return reader({ ...event, data: maskFreeTexts(event.data) })
}

function readCreated(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(createdData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  const overrides = readOverrides(data.price_overrides)
  if (overrides.kind === 'rejected') return overrides
  return change('created', event, data, {
    ...termsOf(data, overrides.value),
    plan: data.plan,
    effectiveUntilNs: data.effective_until,
    timezone: data.timezone ?? undefined,
    contractId: data.contract_id ?? undefined,
    poNumber: data.po_number ?? undefined,
  })
}

function readAmended(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(amendedData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  const overrides = readOverrides(data.price_overrides)
  if (overrides.kind === 'rejected') return overrides
  return change('amended', event, data, {
    ...termsOf(data, overrides.value),
    plan: data.plan ?? undefined,
    effectiveUntilNs: data.effective_until,
    reason: data.change ?? undefined,
  })
}

function readRenewed(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(renewedData, event)
  if (parsed.kind === 'rejected') return parsed
  return change('renewed', event, parsed.value, { effectiveUntilNs: parsed.value.effective_until })
}

function readStatus(kind: 'suspended' | 'resumed' | 'cancelled', event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(statusData, event)
  if (parsed.kind === 'rejected') return parsed
  return change(kind, event, parsed.value, { reason: parsed.value.reason ?? undefined })
}

interface TermData {
  readonly plan_version?: number | null | undefined
  readonly quantities?: Record<string, Scaled> | null | undefined
  readonly entity_id?: string | null | undefined
  readonly billing_anchor?: bigint | null | undefined
  readonly trial_until?: bigint | null | undefined
  readonly coupons?: readonly string[] | null | undefined
  readonly commitments?: Parameters<typeof commitmentsOf>[0]
}

function termsOf(data: TermData, priceOverrides: readonly Price[] | undefined) {
  return {
    planVersion: data.plan_version ?? undefined,
    quantities: data.quantities == null ? undefined : new Map(Object.entries(data.quantities)),
    priceOverrides,
    coupons: data.coupons ?? undefined,
    commitments: commitmentsOf(data.commitments),
    entityId: data.entity_id ?? undefined,
    billingAnchorNs: data.billing_anchor ?? undefined,
    // "No trial" is stored as a trial that ended before every instant.
    trialUntilNs: data.trial_until === null ? beginninglessNs : data.trial_until,
  }
}

type OptionalFields = {
  readonly [K in keyof SubscriptionChange as undefined extends SubscriptionChange[K] ? K : never]?:
    | SubscriptionChange[K]
    | undefined
}

interface ChangeData {
  readonly subscription_id: string
  readonly customer_id: string
  readonly sequence: number
  readonly effective_from: bigint
  readonly metadata?: Record<string, unknown> | null | undefined
}

function change(
  kind: SubscriptionChangeKind,
  event: ValidEvent,
  data: ChangeData,
  fields: OptionalFields,
): Parsed<LifecycleEvent> {
  if (fields.effectiveUntilNs !== undefined && fields.effectiveUntilNs <= data.effective_from) {
    return rejected(
      'invalid_data',
      'The field effective_until is after effective_from.',
      '/data/effective_until',
    )
  }
  const value: SubscriptionChange = {
    kind,
    subscriptionId: data.subscription_id,
    customerId: data.customer_id,
    sequence: data.sequence,
    effectiveFromNs: data.effective_from,
    ...present({ ...fields, metadata: textOf(data.metadata) }),
    eventSource: event.source,
    eventId: event.id,
    correlationId: event.correlationId,
    contentHash: hashOfValue([event.type, comparedData(event.type, event.data)]),
  }
  return { kind: 'ok', value: { kind: 'subscription_change', change: value } }
}

function readOverrides(values: readonly unknown[] | null | undefined): Parsed<readonly Price[] | undefined> {
  if (values == null) return { kind: 'ok', value: undefined }
  const prices: Price[] = []
  const seen = new Set<string>()
  for (const [index, value] of values.entries()) {
    const pointer = `/data/price_overrides/${index}`
    const parsed = parsePrice(value)
    if (parsed.kind === 'rejected') {
      const { code, detail, pointer: below = '' } = parsed.rejection
      return rejected(code, detail, `${pointer}${below}`)
    }
    if (seen.has(parsed.value.price)) {
      return rejected('invalid_catalog', `The price ${parsed.value.price} is overridden twice.`, pointer)
    }
    seen.add(parsed.value.price)
    prices.push(parsed.value)
  }
  return { kind: 'ok', value: prices }
}

function readCustomer(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(customerData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  const customer: CustomerProfile = {
    customerId: data.customer_id,
    ...present({
      name: data.name ?? undefined,
      entityId: data.entity_id ?? undefined,
      currency: data.currency ?? undefined,
      crmId: data.external_ids?.crm ?? undefined,
      billingId: data.external_ids?.billing ?? undefined,
      erpId: data.external_ids?.erp ?? undefined,
      billTo: data.bill_to_customer_id,
      parent: data.parent_customer_id,
      metadata: textOf(data.metadata),
    }),
  }
  return { kind: 'ok', value: { kind: 'customer_upserted', customer } }
}

function readCustomerStatus(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(customerStatusData, event)
  if (parsed.kind === 'rejected') return parsed
  const { gate, status: word, until, reason, reference } = parsed.value
  const status: CustomerStatus = {
    ...{ customerId: event.subject, gate, status: word, reason: reason ?? '', reference: reference ?? '' },
    ...present({ untilNs: until ?? undefined }),
  }
  return { kind: 'ok', value: { kind: 'customer_status', status } }
}

function readInvoice(status: InvoiceEvent['status'], event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(invoiceData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  const invoice: InvoiceEvent = {
    status,
    invoiceId: data.invoice_id,
    customerId: data.customer_id,
    currency: data.currency,
    total: data.total,
    ...present({ subscriptionId: data.subscription_id ?? undefined, dueAtNs: data.due_at ?? undefined }),
  }
  return { kind: 'ok', value: { kind: 'invoice', invoice } }
}

function readCatalog(event: ValidEvent): Parsed<LifecycleEvent> {
  const data = dataOf(catalogData, event)
  if (data.kind === 'rejected') return data
  const parsed = parseCatalogValue(data.value.catalog, 'part')
  if (parsed.kind === 'ok')
    return { kind: 'ok', value: { kind: 'catalog_published', catalog: parsed.catalog } }
  return { kind: 'rejected', rejection: rejectionOf(parsed.problems, '/data/catalog') }
}

function readFxRate(event: ValidEvent): Parsed<LifecycleEvent> {
  const parsed = dataOf(fxRateData, event)
  if (parsed.kind === 'rejected') return parsed
  const { base, quote, rate, effective_from: effectiveFromNs } = parsed.value
  return { kind: 'ok', value: { kind: 'fx_rate', rate: { base, quote, rate, effectiveFromNs } } }
}
