// What Recurly tells of one object, whether it came as JSON of its API or as XML. Instants are epoch milliseconds; a text that
// is not there is ''.

export interface SubscriptionFacts {
  readonly uuid: string
  readonly account: string
  readonly plan: string
  readonly quantity: string
  readonly addOns: readonly { readonly code: string; readonly quantity: string }[]
  readonly state: string
  readonly createdMs: number | undefined
  readonly startMs: number | undefined
  readonly trialEndsMs: number | undefined
  readonly periodFromMs: number | undefined
  readonly periodUntilMs: number | undefined
  readonly pausedMs: number | undefined
  readonly resumesMs: number | undefined
  readonly expiresMs: number | undefined
  readonly endReason: string
  readonly poNumber: string
  readonly entity: string
  /** Custom fields by name. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Since when it has been so; its order. */
  readonly changedMs: number | undefined
  /** Tells states of one second apart, 0 and up. */
  readonly offset: number
  /** The notification says that it is new. */
  readonly isNew: boolean
}

export interface PaymentFacts {
  readonly id: string
  readonly account: string
  /** As in JSON: `purchase`, `capture`, `refund`, `authorization`, `verify`. */
  readonly type: string
  readonly status: string
  readonly currency: string
  /** A decimal of the currency. */
  readonly amount: string | undefined
  readonly invoice: string
  readonly atMs: number | undefined
  readonly voidedMs: number | undefined
  /** When it last changed, where that is told. */
  readonly changedMs: number | undefined
  /** Of a refund: the payment. */
  readonly original: string
  readonly reason: string
}

export interface InvoiceFacts {
  /** With its prefix. */
  readonly number: string
  readonly account: string
  readonly state: string
  readonly currency: string
  readonly total: string | undefined
  readonly createdMs: number | undefined
  readonly closedMs: number | undefined
  readonly dueMs: number | undefined
  /** The uuid of its only subscription. */
  readonly subscription: string
}

export interface AccountFacts {
  readonly code: string
  readonly company: string
  readonly firstName: string
  readonly lastName: string
  readonly changedMs: number | undefined
  readonly metadata: Readonly<Record<string, unknown>>
}

export type RecurlyFacts =
  | { readonly kind: 'subscription'; readonly facts: SubscriptionFacts }
  | { readonly kind: 'payment'; readonly facts: PaymentFacts }
  | { readonly kind: 'invoice'; readonly facts: InvoiceFacts }
  | { readonly kind: 'account'; readonly facts: AccountFacts }
