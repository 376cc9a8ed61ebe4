// The limiters of the connections of one process. Those that name one account at the receiver share one limiter, which shares the
// account with other processes through the broker (account-limiter.ts); any other has a limiter of its own.
// Invariant: connections of one account have one rate (settings.ts refuses others), so it does not matter which
// of them is opened first.

import { randomUUID } from 'node:crypto'
import { type Limiter, limiterOf, type Rate } from '../../sinks/http/limiter.js'
import { pauseFor } from '../broker/back-off.js'
import type { ProcessParts } from '../deliver/feed.js'
import { accountLimiter } from './account-limiter.js'
import { accountLine } from './account-line.js'

const clock = { nowMs: () => performance.now(), pause: pauseFor }

export class AccountLimiters {
  readonly #process = randomUUID()
  readonly #byAccount = new Map<string, Limiter>()

  /** `kind`: of the connection; accounts of different systems are different accounts. */
  of(kind: string, rate: Rate, { sinks: kv, jsm }: Pick<ProcessParts, 'sinks' | 'jsm'>): Limiter {
    const { account } = rate
    if (account === undefined) return limiterOf(rate)
    const key = `${kind} ${account}`
    const known = this.#byAccount.get(key)
    if (known !== undefined) return known
    const line = accountLine({ kv, jsm, kind, account, process: this.#process })
    const limiter = accountLimiter(rate, line, clock)
    this.#byAccount.set(key, limiter)
    return limiter
  }
}
