// Where the plain usage of a customer goes, by its bytes: to which charges, at which prices, with which texts in its
// rows. A cache over timelines and charges, never stored.
// Invariants: a route holds for every instant of [fromMs, untilMs); whoever changes what a route was made from (a charge
// that is put or removed, a timeline, a hold, a retraction) forgets the customer's routes, and a new catalog all of them.

import type { Rater } from '../../../rating/rate.js'
import type { Version } from '../../../rating/timeline.js'
import { fnv1a32, fnv1a32Of } from '../../../schemas/identifiers.js'
import type { PlainMatch, PlainMeter } from '../../stages/plain-meters.js'
import type { UsageTerms } from '../rated-usage-terms.js'
import type { UsageCharge } from './records.js'

/** One reading and its row. */
export interface RouteTarget {
  /** Which of the meters that the event was matched with. */
  readonly reading: number
  readonly meter: PlainMeter
  /** In force over all of the route. */
  readonly version: Version | undefined
  /** Undefined: no price wants the reading. */
  readonly rated: RatedTarget | undefined
  readonly terms: UsageTerms
}

export interface RatedTarget {
  readonly charge: UsageCharge
  readonly rater: Rater
}

export interface UsageRoute {
  /** What the event was matched with: two events of equal `match` have the same readings. */
  readonly match: PlainMatch
  readonly fromMs: number
  readonly untilMs: number
  readonly targets: readonly RouteTarget[]
}

export interface RoutedCustomer {
  readonly customerId: string
  readonly idBytes: Uint8Array
  /** The one used last comes first. */
  readonly routes: UsageRoute[]
  /** The next customer with the same hash. */
  next: RoutedCustomer | undefined
}

/** Of one customer and kind of event: late events belong to periods that are over, and to earlier terms. */
const routesKept = 8

export class UsageRoutes {
  readonly #byHash = new Map<number, RoutedCustomer>()

  /** The customer whose id is these bytes, if it was added. */
  find(bytes: Uint8Array, from: number, until: number): RoutedCustomer | undefined {
    let one = this.#byHash.get(fnv1a32Of(bytes, from, until))
    while (one !== undefined && !isSpan(one.idBytes, bytes, from, until)) one = one.next
    return one
  }

  add(customerId: string): RoutedCustomer {
    const idBytes = Buffer.from(customerId, 'utf8')
    const hash = fnv1a32(customerId)
    const next = this.#byHash.get(hash)
    const added: RoutedCustomer = { customerId, idBytes, routes: [], next }
    this.#byHash.set(hash, added)
    return added
  }

  forget(customerId: string): void {
    const first = this.#byHash.get(fnv1a32(customerId))
    for (let one = first; one !== undefined; one = one.next) {
      if (one.customerId === customerId) one.routes.length = 0
    }
  }

  clear(): void {
    this.#byHash.clear()
  }
}

/** The route for an instant; it is moved to the front. */
export function routeAt(customer: RoutedCustomer, match: PlainMatch, atMs: number): UsageRoute | undefined {
  const { routes } = customer
  for (let i = 0; i < routes.length; i += 1) {
    const route = routes[i]!
    if (route.match !== match || atMs < route.fromMs || atMs >= route.untilMs) continue
    if (i > 0) {
      routes.splice(i, 1)
      routes.unshift(route)
    }
    return route
  }
  return undefined
}

export function keepRoute(customer: RoutedCustomer, route: UsageRoute): void {
  const { routes } = customer
  routes.unshift(route)
  if (routes.length > routesKept) routes.length = routesKept
}

export function isSpan(text: Uint8Array, bytes: Uint8Array, from: number, until: number): boolean {
  const { length } = text
  if (length !== until - from) return false
  for (let i = 0; i < length; i += 1) if (text[i] !== bytes[from + i]) return false
  return true
}
