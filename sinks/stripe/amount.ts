// Amounts as Stripe takes them: whole numbers in its own minor units, which are not always those of ISO 4217.
// Source: docs.stripe.com/currencies.

import { decimalScale } from '../../schemas/money/decimal.js'
import { safeNumber, wholeUnits } from '../batch-line-record.js'

const zeroDecimal = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '))
/** The last digit must be 0. */
const threeDecimal = new Set('BHD JOD KWD OMR TND'.split(' '))
/** Taken with two decimals, which must be 00. */
const wholeInTwoDecimals = new Set('ISK UGX'.split(' '))

export type StripeAmount =
  | { readonly kind: 'ok'; readonly amount: number }
  | { readonly kind: 'none'; readonly why: string }

/** `scaled`: in 10^-12 of the currency. */
export function stripeAmount(scaled: bigint, currency: string): StripeAmount {
  const digits = stripeDigits(currency)
  const whole = wholeUnits(scaled, digits)
  if (whole === undefined) return { kind: 'none', why: `Stripe takes ${digits} decimals of ${currency}` }
  if (threeDecimal.has(currency) && whole % 10n !== 0n)
    return { kind: 'none', why: `Stripe takes ${currency} in steps of 0.010` }
  if (wholeInTwoDecimals.has(currency) && whole % 100n !== 0n)
    return { kind: 'none', why: `Stripe takes ${currency} without decimals` }
  const amount = safeNumber(whole)
  return amount === undefined ? { kind: 'none', why: 'it is too large' } : { kind: 'ok', amount }
}

/** An amount of Stripe in 10^-12 of the currency. */
export function scaledOfStripe(amount: number, currency: string): bigint {
  return BigInt(amount) * 10n ** BigInt(decimalScale - stripeDigits(currency))
}

/** Digits after the point of an amount of Stripe. */
export function stripeDigits(currency: string): number {
  if (zeroDecimal.has(currency)) return 0
  return threeDecimal.has(currency) ? 3 : 2
}
