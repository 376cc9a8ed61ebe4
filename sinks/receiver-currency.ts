// The currency in which a receiver keeps its books, where it can be asked: asked once before the first record goes out, and at
// each check until it is known. A setting is held against it.
// Invariants:
// 1. Nothing goes out under a setting that the receiver contradicts, nor in a currency that nobody named.
// 2. What may not be asked (the permission is not there) leaves the setting to decide.

import type { PutOutcome, Stopped } from './connector.js'
import { type NotReached, stopped } from './http/outcome.js'

export type CurrencyAnswer =
  | { readonly kind: 'ok'; readonly currency: string }
  /** It does not let us ask; in its words. */
  | { readonly kind: 'not_told'; readonly detail: string }
  | { readonly kind: 'failed'; readonly outcome: NotReached }

export interface CurrencyOptions {
  readonly setting: { readonly name: string; readonly value: string | undefined }
  readonly receiver: string
  readonly ask: (signal: AbortSignal) => Promise<CurrencyAnswer>
}

export type KnownCurrency =
  | { readonly kind: 'ok'; readonly currency: string }
  /** Surely nothing was sent. */
  | { readonly kind: 'failed'; readonly outcome: Stopped | Extract<NotReached, { kind: 'throttled' }> }

export class ReceiverCurrency {
  readonly #options: CurrencyOptions
  #known: string | undefined

  constructor(options: CurrencyOptions) {
    this.#options = options
  }

  async known(signal: AbortSignal): Promise<KnownCurrency> {
    if (this.#known !== undefined) return { kind: 'ok', currency: this.#known }
    const { setting, receiver, ask } = this.#options
    const { name, value } = setting
    const answer = await ask(signal)
    if (answer.kind === 'failed') {
      const { outcome } = answer
      if (outcome.kind === 'stopped' || outcome.kind === 'throttled') return { kind: 'failed', outcome }
      const { detail } = outcome
      return { kind: 'failed', outcome: { kind: 'throttled', code: 'receiver_unavailable', detail } }
    }
    const theirs = answer.kind === 'ok' ? answer.currency : undefined
    if (theirs !== undefined && value !== undefined && theirs !== value)
      return failed(
        'currency_contradicted',
        `${name} says ${value}, and ${receiver} keeps its books in ${theirs}`,
      )
    const currency = theirs ?? value
    if (currency === undefined) {
      const words = answer.kind === 'not_told' ? answer.detail : ''
      return failed(
        'currency_unknown',
        `${receiver} does not say its currency (${words}): name it in ${name}`,
      )
    }
    this.#known = currency
    return { kind: 'ok', currency }
  }
}

/** What an answer without the currency means: a trouble, or that we may not ask, which leaves a setting to decide. */
export function currencyNotTold(outcome: PutOutcome, setting: string | undefined): CurrencyAnswer {
  const detail = 'detail' in outcome ? outcome.detail.slice(0, 500) : ''
  switch (outcome.kind) {
    case 'stopped':
      return setting === undefined ? { kind: 'failed', outcome } : { kind: 'not_told', detail }
    case 'throttled':
    case 'unclear':
      return { kind: 'failed', outcome }
    default:
      return { kind: 'not_told', detail }
  }
}

function failed(code: string, detail: string): KnownCurrency {
  return { kind: 'failed', outcome: stopped(code, detail) }
}
