// Plans: how their fields are read, written and described. Contract section 3.
// Invariant: a written plan is read back equal.

import { z } from 'zod'
import { currencyField, nameField, planVersionField } from '../json/wire-fields.js'
import { minorUnits } from '../money/currency.js'
import {
  amountBoundToWire,
  maximumField,
  minimumField,
  readAmountBound,
  refuseContradiction,
} from './amount-bound.js'
import { billingPeriodField, billingPeriodToWire, readBillingPeriod } from './billing-period.js'
import type { Plan } from './catalog.js'
import { type MeterScope, priceSchema, priceToWire, readPrices } from './catalog-price.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { checkSameCurrencies, refuseBoundsInSeveral } from './currencies.js'
import type { Wire } from './models/model-shape.js'
import { phasesField, phasesToWire, readPhases } from './phases.js'
import { readTrial, trialField } from './plan-trial.js'
import { prorationField, prorationToWire, readProration } from './proration.js'

/** Plan versions are UInt32 columns. */
const maxPlanVersion = 2 ** 32 - 1

export function readPlan(
  node: SourceNode,
  scope: MeterScope | undefined,
  seen: Set<string>,
  problems: Problems,
): Plan | undefined {
  const map = asMap(node, 'A plan', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('plan')
  const version = reader.requiredField('version') && reader.whole('version', 1, maxPlanVersion)
  if (id !== undefined && version !== undefined) {
    const key = `${version}:${id}`
    const message = `Version ${version} of the plan ${id} is given twice.`
    if (seen.has(key)) reader.fault('version', 'duplicate_plan_version', message)
    seen.add(key)
  }
  const currency = reader.requiredText('currency')
  if (currency !== undefined && minorUnits(currency) === undefined) {
    reader.fault('currency', 'unknown_currency', `${currency} is not a currency of ISO 4217, such as USD.`)
  }
  const billingPeriod = reader.requiredField('billing_period') && readBillingPeriod(reader, problems)
  const proration = readProration(reader, problems) ?? 'second'
  const rounding = reader.choice('rounding', ['half_up', 'half_even'] as const) ?? 'half_up'
  const minimumWhenSuspended = reader.flag('minimum_when_suspended') ?? false
  const trialDays = readTrial(reader, problems)
  const faults = problems.count
  const prices = readPrices(reader, 'The plan', scope, problems)
  const phases = readPhases(reader, scope, problems)
  // A price that is not valid is not told a second time.
  const all = [...prices, ...(phases ?? []).flatMap(phase => phase.prices)]
  const sold = problems.count === faults ? new Set(all.map(({ price }) => price)) : undefined
  const minimum = readAmountBound(reader, 'minimum', sold, problems)
  const maximum = readAmountBound(reader, 'maximum', sold, problems)
  refuseContradiction(reader, minimum, maximum)
  checkSameCurrencies(priceNodes(reader), currency, problems)
  refuseBoundsInSeveral(reader, all)
  reader.refuseOthers('a plan')
  if (id === undefined || version === undefined || currency === undefined || billingPeriod === undefined) {
    return undefined
  }
  return {
    ...{ plan: id, version, currency, billingPeriod, proration, rounding, minimumWhenSuspended },
    ...(trialDays === undefined ? {} : { trialDays }),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(phases === undefined ? {} : { phases }),
    prices,
  }
}

/** Also those of the phases. */
function priceNodes(reader: FieldReader): SourceNode[] {
  const items = (node: SourceNode | undefined) => (node?.kind === 'list' ? node.items : [])
  const phases = items(reader.field('phases')).filter(node => node.kind === 'map')
  const lists = [reader.field('prices'), ...phases.map(({ members }) => members.get('prices')?.value)]
  return lists.flatMap(items)
}

export function planToWire(plan: Plan): Wire {
  return {
    plan: plan.plan,
    version: plan.version,
    currency: plan.currency,
    billing_period: billingPeriodToWire(plan.billingPeriod),
    proration: prorationToWire(plan.proration),
    rounding: plan.rounding,
    ...(plan.minimumWhenSuspended ? { minimum_when_suspended: true } : {}),
    ...(plan.trialDays === undefined ? {} : { trial: { days: plan.trialDays } }),
    ...(plan.minimum === undefined ? {} : { minimum: amountBoundToWire(plan.minimum) }),
    ...(plan.maximum === undefined ? {} : { maximum: amountBoundToWire(plan.maximum) }),
    prices: plan.prices.map(priceToWire),
    ...(plan.phases === undefined ? {} : { phases: phasesToWire(plan.phases) }),
  }
}

export const planSchema = z.strictObject({
  plan: nameField,
  version: planVersionField,
  currency: currencyField,
  billing_period: billingPeriodField,
  proration: prorationField.optional(),
  rounding: z.enum(['half_up', 'half_even']).optional(),
  minimum_when_suspended: z
    .boolean()
    .optional()
    .meta({
      description:
        'Whether minimums and flat amounts are owed for a service period that lies in a suspension from end to end. ' +
        'Left out: they are not.',
    }),
  trial: trialField.optional(),
  minimum: minimumField.optional().meta({ description: 'What the charges of a period come to at least.' }),
  maximum: maximumField.optional().meta({ description: 'What the charges of a period come to at most.' }),
  prices: z.array(priceSchema),
  phases: phasesField.optional(),
})
