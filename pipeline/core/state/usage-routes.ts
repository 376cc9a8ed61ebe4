// The routes of plain usage: to which charges a customer's event goes, at which prices, with which texts in its rows. A
// cache over timelines and charges, never stored.
// Invariants: a route holds for every instant of [fromMs, untilMs); code that changes what a route was made from (a charge
// that is put or removed, a timeline, a hold, a retraction) forgets the customer's routes, and a new catalog clears all.
// The terms that targets name are kept elsewhere (rated-usage-terms.ts) until they are released here; forgetting the terms
// clears all routes.
// For speed, customers, routes and targets are numbers, and the data of each number lies together in a typed array, so the
// route of an event is found in a few cache lines, however many customers there are.

import type { Rater } from '../../../rating/charges/rater.js'
import { ByteKeys } from '../../../schemas/byte-keys.js'
import type { MeterMatch } from '../scan/meter-slots.js'
import type { ScannedEvents } from '../scan/scanned-events.js'
import type { ChargeMap } from './charge-map.js'
import type { KeptTerms } from './rated-usage-terms.js'
import type { UsageCharge } from './records.js'
import { larger } from './typed-memory.js'

/** One reading and its row. */
export interface RouteTarget {
  /** Which of the meters that the event was matched with. */
  readonly reading: number
  /** Undefined: no price wants the reading. */
  readonly rated: { readonly charge: UsageCharge; readonly rater: Rater } | undefined
  /** The number of the terms of its rows. */
  readonly terms: number
}

export interface Stretch {
  readonly fromMs: number
  readonly untilMs: number
}

/** No such customer, route or charge. */
export const none = -1
const firstCapacity = 1024
/** Routes of one customer at most. There are several, because late events belong to earlier periods and terms. */
const routesKept = 8
// A route, 6 doubles, by its number; `next` is the customer's route before it, `none` after the last, and its targets lie
// side by side:
//
//   double  0        1         2       3      4              5
//          ┌────────┬─────────┬───────┬──────┬──────────────┬────────────────┐
//          │ fromMs │ untilMs │ match │ next │ first target │ end of targets │
//          └────────┴─────────┴───────┴──────┴──────────────┴────────────────┘
const routeStride = 6
// A target, 4 words of 32 bits; charge and rater are `none` where no price wants the reading:
//
//   word  0                1         2         3
//        ┌────────────────┬─────────┬─────────┬─────────┐
//        │ charge, serial │ rater   │ reading │ terms   │
//        └────────────────┴─────────┴─────────┴─────────┘
const targetStride = 4
const termsAt = 3
/** Forgotten routes keep their place; when they are this many and the majority, all routes are cleared. */
const maxForgotten = 65_536

export class UsageRoutes {
  #customers = new ByteKeys()
  /** By customer, one more than its number, so that 0 is none. */
  #firstRoutes = new Int32Array(firstCapacity)
  #routes = new Float64Array(firstCapacity * routeStride)
  #routeCount = 0
  #forgotten = 0
  #numbers = new Int32Array(firstCapacity * targetStride)
  #prefetched = new Int32Array(firstCapacity)
  #prefetchedTerms = new Int32Array(firstCapacity * 2)
  #targetCount = 0
  #raters: Rater[] = []
  #raterNumbers = new Map<Rater, number>()
  /** Terms of forgotten routes. */
  #released: number[] = []

  /** The customer whose id is these bytes; `none` when he was not added. */
  customer(bytes: Uint8Array, from: number, until: number): number {
    return this.#customers.find(bytes, from, until)
  }

  /** The customers of all plain events of a message; `none` for the other events. */
  customersOf({ bytes, count, plain, subjectFrom, subjectUntil }: ScannedEvents, into: Int32Array): void {
    this.#customers.findAll(bytes, plain, subjectFrom, subjectUntil, count, into)
  }

  addCustomer(customerId: string): number {
    return this.#customers.numberOfText(customerId)
  }

  customerId(customer: number): string {
    return this.#customers.textOf(customer)
  }

  /**
   * Prefetches the customers' newest routes, the totals of their charges and the terms of their rows into the CPU's cache,
   * by reading the first word of each. A read that misses the cache costs about a hundred instructions, but reads that do
   * not depend on each other overlap: so this runs over a whole message, field by field, before its events are rated.
   */
  prefetch(customers: Int32Array, count: number, charges: ChargeMap, terms: KeptTerms): number {
    if (this.#prefetched.length < count) {
      this.#prefetched = new Int32Array(count)
      this.#prefetchedTerms = new Int32Array(count * 2)
    }
    const at = this.#prefetched
    const ofTerms = this.#prefetchedTerms
    const routes = this.#routes
    const numbers = this.#numbers
    let sum = 0
    for (let i = 0; i < count; i += 1) at[i] = customers[i] === none ? none : this.#first(customers[i]!)
    for (let i = 0; i < count; i += 1)
      if (at[i] !== none) at[i] = routes[at[i]! * routeStride + 4]! * targetStride
    for (let i = 0; i < count; i += 1) {
      const target = at[i]!
      // Mostly the route has a second target behind the first; if not, reading another route's does no harm.
      ofTerms[i * 2] = target === none ? none : numbers[target + termsAt]!
      ofTerms[i * 2 + 1] = target === none ? none : (numbers[target + targetStride + termsAt] ?? none)
    }
    for (let i = 0; i < count; i += 1) {
      const target = at[i]!
      if (target !== none)
        sum += charges.prefetch(numbers[target]!) + charges.prefetch(numbers[target + targetStride] ?? none)
    }
    return sum + terms.prefetch(ofTerms, count * 2)
  }

  /** The route for events of a kind at an instant, or `none`. */
  at(customer: number, match: MeterMatch, atMs: number): number {
    const routes = this.#routes
    let route = this.#first(customer)
    while (route !== none) {
      const at = route * routeStride
      if (routes[at]! <= atMs && atMs < routes[at + 1]! && routes[at + 2] === match.number) return route
      route = routes[at + 3]!
    }
    return none
  }

  firstTarget(route: number): number {
    return this.#routes[route * routeStride + 4]!
  }

  endOfTargets(route: number): number {
    return this.#routes[route * routeStride + 5]!
  }

  /** `none`: no price wants the reading. */
  chargeSerial(target: number): number {
    return this.#numbers[target * targetStride]!
  }

  /** Of a target that has a charge. */
  rater(target: number): Rater {
    return this.#raters[this.#numbers[target * targetStride + 1]!]!
  }

  reading(target: number): number {
    return this.#numbers[target * targetStride + 2]!
  }

  terms(target: number): number {
    return this.#numbers[target * targetStride + termsAt]!
  }

  /** Keeps a route; the customer's oldest one goes when there are too many. */
  keep(customer: number, match: MeterMatch, stretch: Stretch, targets: readonly RouteTarget[]): number {
    if (this.#forgotten > maxForgotten && this.#forgotten * 2 > this.#routeCount) this.#forgetRoutes()
    const route = this.#routeCount
    const at = route * routeStride
    if (at === this.#routes.length) this.#routes = larger(this.#routes, at * 2)
    this.#routes.set([stretch.fromMs, stretch.untilMs, match.number, this.#first(customer)], at)
    this.#routes[at + 4] = this.#targetCount
    for (const target of targets) this.#addTarget(target)
    this.#routes[at + 5] = this.#targetCount
    this.#routeCount = route + 1
    this.#setFirst(customer, route)
    this.#dropOldest(route)
    return route
  }

  forget(customerId: string): void {
    const customer = this.#customers.findText(customerId)
    if (customer === none || this.#first(customer) === none) return
    this.#releaseFrom(this.#first(customer))
    this.#setFirst(customer, none)
    this.#forgotten += 1
  }

  /** The numbers of terms that no route names any more. */
  takeReleasedTerms(): readonly number[] {
    const released = this.#released
    if (released.length > 0) this.#released = []
    return released
  }

  clear(): void {
    this.#customers = new ByteKeys()
    this.#forgetRoutes()
  }

  #first(customer: number): number {
    return customer < this.#firstRoutes.length ? this.#firstRoutes[customer]! - 1 : none
  }

  #setFirst(customer: number, route: number): void {
    let { length } = this.#firstRoutes
    while (customer >= length) length *= 2
    if (length > this.#firstRoutes.length) this.#firstRoutes = larger(this.#firstRoutes, length)
    this.#firstRoutes[customer] = route + 1
  }

  #addTarget(target: RouteTarget): void {
    const at = this.#targetCount * targetStride
    if (at === this.#numbers.length) this.#numbers = larger(this.#numbers, at * 2)
    const { rated, reading, terms } = target
    this.#numbers[at] = rated === undefined ? none : rated.charge.serial
    this.#numbers[at + 1] = rated === undefined ? none : this.#numberOfRater(rated.rater)
    this.#numbers[at + 2] = reading
    this.#numbers[at + termsAt] = terms
    this.#targetCount += 1
  }

  #numberOfRater(rater: Rater): number {
    const known = this.#raterNumbers.get(rater)
    if (known !== undefined) return known
    this.#raterNumbers.set(rater, this.#raters.length)
    return this.#raters.push(rater) - 1
  }

  #dropOldest(first: number): void {
    let route = first
    for (let kept = 1; kept < routesKept && route !== none; kept += 1) route = this.#next(route)
    if (route === none || this.#next(route) === none) return
    this.#releaseFrom(this.#next(route))
    this.#routes[route * routeStride + 3] = none
    this.#forgotten += 1
  }

  #next(route: number): number {
    return this.#routes[route * routeStride + 3]!
  }

  /** The terms of a route and of those after it. */
  #releaseFrom(first: number): void {
    for (let route = first; route !== none; route = this.#next(route)) {
      const end = this.endOfTargets(route)
      for (let target = this.firstTarget(route); target < end; target += 1) {
        this.#released.push(this.terms(target))
      }
    }
  }

  #forgetRoutes(): void {
    for (const first of this.#firstRoutes) if (first > 0) this.#releaseFrom(first - 1)
    this.#firstRoutes = new Int32Array(firstCapacity)
    this.#routes = new Float64Array(firstCapacity * routeStride)
    this.#numbers = new Int32Array(firstCapacity * targetStride)
    this.#targetCount = 0
    this.#raters = []
    this.#raterNumbers = new Map()
    this.#routeCount = 0
    this.#forgotten = 0
  }
}

export function isSpan(text: Uint8Array, bytes: Uint8Array, from: number, until: number): boolean {
  const { length } = text
  if (length !== until - from) return false
  for (let i = 0; i < length; i += 1) if (text[i] !== bytes[from + i]) return false
  return true
}
