// What the oracle reads: the part of a catalog that it knows, and events as they are sent.

export interface OraclePrice {
  readonly price: string
  readonly kind: 'usage' | 'recurring'
  readonly meter?: string
  readonly model?: 'per_unit' | 'graduated'
  readonly unit_amount?: string
  readonly tiers?: readonly { up_to: string | null; unit_amount: string; flat_amount?: string }[]
  readonly included?: string
  readonly prorate?: boolean
  readonly amount?: string
  readonly per?: 'subscription' | 'unit'
  readonly timing?: 'in_advance'
}

export interface OracleCatalog {
  readonly meters: readonly {
    meter: string
    event_type: string
    aggregation: 'count' | 'sum'
    value?: string
  }[]
  readonly plans: readonly {
    plan: string
    version: number
    currency: string
    billing_period: 'month'
    prices: readonly OraclePrice[]
  }[]
}

export interface OracleEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly subscriptionid?: string
  readonly data: Readonly<Record<string, unknown>>
}
