// The phases of a plan: prices of its first billing periods. How they are read, written and described; rating/timeline/plan-stages.ts
// says when each holds. Contract section 9.
// Invariants: ends ascend, and only the last phase may have none; a written phase is read back equal.

import { z } from 'zod'
import type { Phase, Plan, Price } from './catalog.js'
import { type MeterScope, priceSchema, priceToWire, readPrices } from './catalog-price.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import type { Wire } from './models/model-shape.js'

const maxPhases = 100
const maxPeriods = 1_000_000

/** Undefined: the plan has none. */
export function readPhases(
  reader: FieldReader,
  scope: MeterScope | undefined,
  problems: Problems,
): readonly Phase[] | undefined {
  const nodes = reader.list('phases')
  if (nodes === undefined) return undefined
  if (nodes.length === 0 || nodes.length > maxPhases) {
    return reader.fault(
      'phases',
      'invalid_value',
      `The field phases has 1 to ${maxPhases} phases; left out: none.`,
    )
  }
  const phases: Phase[] = []
  let pastPeriods = 0
  for (const [index, node] of nodes.entries()) {
    const isLast = index === nodes.length - 1
    const phase = readPhase(node, scope, isLast, pastPeriods, problems)
    if (phase === undefined) continue
    phases.push(phase)
    pastPeriods = phase.untilPeriods ?? pastPeriods
  }
  return phases
}

function readPhase(
  node: SourceNode,
  scope: MeterScope | undefined,
  isLast: boolean,
  pastPeriods: number,
  problems: Problems,
): Phase | undefined {
  const map = asMap(node, 'A phase', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const untilPeriods = readUntil(reader, isLast, pastPeriods, problems)
  const prices = readPrices(reader, 'The phase', scope, problems)
  if (reader.list('prices')?.length === 0) {
    reader.fault('prices', 'invalid_value', 'A phase has at least one price.')
  }
  reader.refuseOthers('a phase')
  return { ...(untilPeriods === undefined ? {} : { untilPeriods }), prices }
}

function readUntil(
  reader: FieldReader,
  isLast: boolean,
  pastPeriods: number,
  problems: Problems,
): number | undefined {
  const node = reader.field('until')
  if (node === undefined) {
    if (isLast) return undefined
    return reader.fault(
      'until',
      'missing_field',
      'The field until is missing: only the last phase has no end.',
    )
  }
  const map = asMap(node, 'The end of a phase', problems)
  if (map === undefined) return undefined
  const until = new FieldReader(map, problems)
  const periods = until.requiredField('periods') && until.whole('periods', 1, maxPeriods)
  until.refuseOthers('the end of a phase')
  if (periods === undefined || periods > pastPeriods) return periods
  return until.fault(
    'periods',
    'value_out_of_range',
    `The phase ends no later than the one before, after ${pastPeriods} periods: all count from the start of the plan.`,
  )
}

export function phasesToWire(phases: readonly Phase[]): readonly Wire[] {
  return phases.map(({ untilPeriods, prices }) => ({
    ...(untilPeriods === undefined ? {} : { until: { periods: untilPeriods } }),
    prices: prices.map(priceToWire),
  }))
}

/** Those of the plan, then those of its phases. An id may stand several times. */
export function pricesOfPlan({ prices, phases }: Plan): readonly Price[] {
  return phases === undefined ? prices : [...prices, ...phases.flatMap(phase => phase.prices)]
}

export const phasesField = z
  .array(
    z.strictObject({
      until: z
        .strictObject({ periods: z.int().min(1).max(maxPeriods) })
        .optional()
        .meta({
          description:
            'Billing periods of the plan, counted from its start. Left out, of the last phase alone: no end.',
        }),
      prices: z
        .array(priceSchema)
        .min(1)
        .meta({ description: 'Each in the place of the price of the plan with that id, or beside them.' }),
    }),
  )
  .min(1)
  .max(maxPhases)
