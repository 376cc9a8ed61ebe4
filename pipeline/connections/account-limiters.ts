// The limiters of the connections of one process: those that name one account at the receiver share one limiter.
// Invariant: connections of one account have one rate (settings.ts refuses others), so it does not matter which
// of them is opened first. It holds within one process; other processes count by themselves.

import { type Limiter, limiterOf, type Rate } from '../../sinks/http/limiter.js'

export class AccountLimiters {
  readonly #byAccount = new Map<string, Limiter>()

  /** `kind`: of the connection; accounts of different systems are different accounts. */
  of(kind: string, rate: Rate): Limiter {
    if (rate.account === undefined) return limiterOf(rate)
    const key = `${kind} ${rate.account}`
    const limiter = this.#byAccount.get(key) ?? limiterOf(rate)
    this.#byAccount.set(key, limiter)
    return limiter
  }
}
