// Exceptions as other systems are told of them (pipeline/feature/open-exceptions.ts): the open ones of each customer with the
// money at stake, and single ones in words.
// Invariant: money is worked out anew only for customers whose exceptions have changed since it was worked out.

import { exceptionStates } from '../../schemas/exception-kinds.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstantMs } from '../../schemas/time.js'
import type {
  OpenExceptions,
  OpenOfCustomer,
  ToldException,
  WantedExceptions,
} from '../feature/open-exceptions.js'
import type { DeskParts, ExceptionDesk } from './exception-desk.js'
import { nextStep } from './exception-view.js'
import { exceptionsQuery } from './exceptions-sql.js'
import { groupKeyText, shippedRules } from './group-rules.js'
import type { AtStake } from './money/money-at-stake.js'
import { QueryParameters } from './query-parameters.js'
import { askRows, type Exception } from './read-exceptions.js'

/** Customers whose money is worked out in one round; the others follow in the next. */
const valuedAtOnce = 500
const pageSize = 500
const byCustomer = shippedRules.find(({ rule }) => rule === 'customer')!

interface Counted {
  readonly customer_id: string
  readonly open: number
  readonly known_to: string
  readonly correlation_id: string
}

interface Valued {
  readonly knownTo: string
  readonly atStake: OpenOfCustomer['atStake']
  readonly known: number
}

export class ToldExceptions implements OpenExceptions {
  readonly #desk: ExceptionDesk
  readonly #queries: DeskParts['queries']
  readonly #valued = new Map<string, Valued>()

  constructor(desk: ExceptionDesk, queries: DeskParts['queries']) {
    this.#desk = desk
    this.#queries = queries
  }

  async byCustomer(withoutReceivers: readonly string[]): Promise<ReadonlyMap<string, OpenOfCustomer>> {
    const parameters = new QueryParameters()
    const all = exceptionsQuery(await this.#desk.sources(), parameters)
    const receivers = parameters.add('Array(String)', withoutReceivers)
    const counted = await askRows<Counted>(
      this.#queries,
      `SELECT customer_id, count() AS open, argMax(correlation_id, (last_at, exception_id)) AS correlation_id,
  concat(toString(count()), '/', toString(sum(cityHash64(exception_id, revision)))) AS known_to
FROM (${all}) WHERE state = 'open' AND customer_id != '' AND NOT has(${receivers}, receiver)
GROUP BY customer_id ORDER BY customer_id`,
      parameters,
    )
    await this.#value(counted)
    return new Map(counted.map(one => [one.customer_id, this.#openOf(one)]))
  }

  async open({ codes, owners }: WantedExceptions, most: number): Promise<readonly ToldException[]> {
    const found: ToldException[] = []
    const filter = {
      state: ['open' as const],
      ...(codes.length === 0 ? {} : { code: [...codes] }),
      ...(owners.length === 0 ? {} : { owner: [...owners] }),
    }
    for await (const page of this.#desk.all({ filter, limit: pageSize, withPayload: true })) {
      found.push(...(await this.#told(page)))
      if (found.length >= most) break
    }
    return found.slice(0, most)
  }

  async named(ids: readonly string[]): Promise<readonly ToldException[]> {
    const found: ToldException[] = []
    for (let from = 0; from < ids.length; from += pageSize) {
      const id = ids.slice(from, from + pageSize)
      const filter = { id, state: [...exceptionStates] }
      found.push(...(await this.#told(await this.#desk.page({ filter, limit: pageSize, withPayload: true }))))
    }
    return found
  }

  async #told(page: readonly Exception[]): Promise<readonly ToldException[]> {
    const stakes = await this.#desk.atStake(page)
    return page.map((exception, index) => toldOf(exception, stakes[index]!))
  }

  async #value(counted: readonly Counted[]): Promise<void> {
    const changed = counted.filter(one => this.#valued.get(one.customer_id)?.knownTo !== one.known_to)
    const customer = changed.slice(0, valuedAtOnce).map(one => one.customer_id)
    if (customer.length === 0) return
    const sums = await this.#desk.moneyByGroup({ state: ['open'], customer }, byCustomer)
    for (const one of changed.slice(0, valuedAtOnce)) {
      const key = groupKeyText({ rule: byCustomer, values: [one.customer_id] })
      const { at_stake: atStake = [], known = 0 } = sums.get(key)?.view(one.open) ?? {}
      this.#valued.set(one.customer_id, { knownTo: one.known_to, atStake, known })
    }
  }

  #openOf({ customer_id: customer, open: count, correlation_id: correlationId }: Counted): OpenOfCustomer {
    const { atStake = [], known = 0 } = this.#valued.get(customer) ?? {}
    return { count, atStake, notKnown: Math.max(0, count - known), correlationId }
  }
}

function toldOf(exception: Exception, stake: AtStake): ToldException {
  const { exceptionId, kind, code, detail, customerId, owner, state, correlationId, receiver, answer } =
    exception
  return {
    ...{ exceptionId, kind, code, detail, customerId, owner, state, correlationId, receiver },
    firstAt: formatInstantMs(exception.firstAtMs),
    lastAt: formatInstantMs(exception.lastAtMs),
    about: aboutOf(exception),
    next: nextStep(exception),
    atStake: stake.kind === 'known' ? `${formatScaled(stake.amount)} ${stake.currency}` : '',
    answer: answer === undefined ? '' : [answer.keyName, answer.reason].filter(Boolean).join(': '),
  }
}

function aboutOf({ eventSource, eventId, eventType, recordKind, recordId, receiver }: Exception): string {
  if (recordId === '') return `event ${eventId} of ${eventSource} (${eventType})`
  return `${recordKind} ${recordId}${receiver === '' ? '' : ` at ${receiver}`}`
}
