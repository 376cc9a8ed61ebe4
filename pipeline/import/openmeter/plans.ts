// Plans of OpenMeter. Ours have no phases: each phase is a plan of its own, and a subscription changes from one to the next.

import { type BillingPeriod, billingPeriodOfValue } from '../../../schemas/catalog/billing-period.js'
import { minorUnits } from '../../../schemas/money/currency.js'
import { type ForeignObject, listIn, objectIn, shown, textIn, wholeIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedPlan, ImportedPrice } from '../imported.js'
import { type OpenMeterMeters, periodOf, priceOf } from './rate-cards.js'

/** The plan of a phase: that of the plan itself where it has one phase. */
export function phasePlan(key: string, phase: string, phases: number): string {
  return phases === 1 ? key : `${key}:${phase}`
}

export class OpenMeterPlans {
  readonly #plans = new Map<string, ImportedPlan>()
  readonly #phases = new Map<string, number>()
  readonly #meters: OpenMeterMeters
  readonly #findings: Findings

  constructor(meters: OpenMeterMeters, findings: Findings) {
    this.#meters = meters
    this.#findings = findings
  }

  all(): ImportedPlan[] {
    return [...this.#plans.values()]
  }

  /** How many phases a plan has; undefined: it could not be taken. */
  phasesOf(key: string, version: number): number | undefined {
    return this.#phases.get(`${version} ${key}`)
  }

  of(plan: string, version: number): ImportedPlan | undefined {
    return this.#plans.get(`${version} ${plan}`)
  }

  add(object: ForeignObject): void {
    const key = textIn(object['key'])
    const version = Number(wholeIn(object['version']) ?? '1')
    const leave = (field: string, code: string, detail: string) =>
      this.#findings.leftOut('plan', key, field, code, detail)
    const phases = listIn(object['phases'])
    const billingPeriod = periodOf(object['billingCadence'])
    const currency = textIn(object['currency'])
    if (key === '') leave('key', 'missing_value', 'It is missing.')
    else if (textIn(object['status']) === 'draft')
      this.#findings.note('plan', key, 'status', 'draft', 'It is a draft.')
    else if (billingPeriod === undefined)
      leave(
        'billingCadence',
        'unsupported_interval',
        `No billing period is ${shown(object['billingCadence'])}.`,
      )
    else if (minorUnits(currency) === undefined)
      leave('currency', 'unknown_currency', `No currency is ${shown(currency)}.`)
    else {
      if (objectIn(object['proRatingConfig'])['enabled'] === false)
        this.#findings.differs(
          'plan',
          key,
          'proRatingConfig.enabled',
          'always_prorated',
          'Of a part of a period the part is owed.',
        )
      this.#phases.set(`${version} ${key}`, phases.length)
      for (const phase of phases) {
        const plan = phasePlan(key, textIn(phase['key']), phases.length)
        const prices = this.pricesOf(listIn(phase['rateCards']), billingPeriod, `plan ${key}`)
        this.#keep({
          plan,
          version,
          currency,
          billingPeriod,
          proration: 'second',
          prices,
          note: textIn(object['name']),
        })
      }
    }
  }

  /** A plan of one subscription alone. */
  addOwn(plan: Omit<ImportedPlan, 'proration'>): void {
    this.#keep({ ...plan, proration: 'second' })
  }

  pricesOf(
    cards: readonly ForeignObject[],
    billingPeriod: ImportedPlan['billingPeriod'],
    of: string,
  ): ImportedPrice[] {
    const prices = new Map<string, ImportedPrice>()
    for (const card of cards) {
      const price = priceOf(card, { billingPeriod, meters: this.#meters, findings: this.#findings, of })
      if (price !== undefined) prices.set(textIn(price.wire['price']), price)
    }
    return [...prices.values()]
  }

  /** The periods that prices have of their own. */
  periodsOf(prices: readonly ImportedPrice[]): BillingPeriod[] {
    return prices
      .map(({ wire }) => billingPeriodOfValue(wire['billing_period']))
      .filter(period => period !== undefined)
  }

  #keep(plan: ImportedPlan): void {
    this.#plans.set(`${plan.version} ${plan.plan}`, plan)
  }
}
