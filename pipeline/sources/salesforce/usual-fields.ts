// The objects of Salesforce that count, and which of their fields is which of ours unless a mapping says otherwise. CPQ is the
// managed package with the prefix SBQQ__.

import type { Fields } from '../quotes/fields.js'

/** `quote`: CPQ. `none`: accounts alone. */
export const soldFrom = ['quote', 'order', 'opportunity', 'none'] as const
export type SoldFrom = (typeof soldFrom)[number]

/** An object with lines, of which subscriptions are made. */
export interface SoldObject {
  readonly object: string
  readonly line: string
  /** Field of a line that names its object. */
  readonly lineParent: string
  readonly account: string
  readonly opportunity: string | undefined
  readonly fields: Pick<Fields, 'quote' | 'line'>
}

const quote: SoldObject = {
  object: 'SBQQ__Quote__c',
  line: 'SBQQ__QuoteLine__c',
  lineParent: 'SBQQ__Quote__c',
  account: 'SBQQ__Account__c',
  opportunity: 'SBQQ__Opportunity2__c',
  fields: {
    quote: {
      start: 'SBQQ__StartDate__c',
      end: 'SBQQ__EndDate__c',
      term_months: 'SBQQ__SubscriptionTerm__c',
      currency: 'CurrencyIsoCode',
      terms: 'SBQQ__PaymentTerms__c',
      frequency: 'SBQQ__BillingFrequency__c',
    },
    line: {
      product: 'SBQQ__ProductCode__c',
      quantity: 'SBQQ__Quantity__c',
      unit_price: 'SBQQ__NetPrice__c',
      list_price: 'SBQQ__ListPrice__c',
      prorated_by: 'SBQQ__ProrateMultiplier__c',
      start: 'SBQQ__StartDate__c',
      end: 'SBQQ__EndDate__c',
      frequency: 'SBQQ__BillingFrequency__c',
      bundle: 'SBQQ__RequiredBy__c',
    },
  },
}

const order: SoldObject = {
  object: 'Order',
  line: 'OrderItem',
  lineParent: 'OrderId',
  account: 'AccountId',
  opportunity: 'OpportunityId',
  fields: {
    quote: { start: 'EffectiveDate', end: 'EndDate', currency: 'CurrencyIsoCode' },
    line: {
      product: 'Product2.ProductCode',
      quantity: 'Quantity',
      unit_price: 'UnitPrice',
      list_price: 'ListPrice',
      start: 'ServiceDate',
      end: 'EndDate',
    },
  },
}

const opportunity: SoldObject = {
  object: 'Opportunity',
  line: 'OpportunityLineItem',
  lineParent: 'OpportunityId',
  account: 'AccountId',
  opportunity: undefined,
  fields: {
    quote: { close_date: 'CloseDate', currency: 'CurrencyIsoCode' },
    line: {
      product: 'ProductCode',
      quantity: 'Quantity',
      unit_price: 'UnitPrice',
      list_price: 'ListPrice',
      start: 'ServiceDate',
    },
  },
}

export const accountFields = {
  name: 'Name',
  parent: 'ParentId',
  country: 'BillingCountryCode',
  currency: 'CurrencyIsoCode',
}

export function soldObject(from: SoldFrom): SoldObject | undefined {
  switch (from) {
    case 'quote':
      return quote
    case 'order':
      return order
    case 'opportunity':
      return opportunity
    case 'none':
      return undefined
    default:
      return from satisfies never
  }
}

export function usualFields(from: SoldFrom): Fields {
  const sold = soldObject(from)
  return { quote: {}, line: {}, ...sold?.fields, account: accountFields }
}

/** Objects whose changes count, those that others need first. */
export function objectsOf(from: SoldFrom): readonly string[] {
  switch (from) {
    case 'quote':
      return [
        ...['Account', 'Opportunity', 'SBQQ__Quote__c', 'SBQQ__QuoteLine__c', 'Contract'],
        'SBQQ__Subscription__c',
      ]
    case 'order':
      return ['Account', 'Opportunity', 'Order', 'OrderItem']
    case 'opportunity':
      return ['Account', 'Opportunity', 'OpportunityLineItem']
    case 'none':
      return ['Account']
    default:
      return from satisfies never
  }
}

/** `/data/AccountChangeEvent`, `/data/SBQQ__Quote__ChangeEvent`. */
export function topicOf(object: string): string {
  return object.endsWith('__c') ? `/data/${object.slice(0, -1)}ChangeEvent` : `/data/${object}ChangeEvent`
}
