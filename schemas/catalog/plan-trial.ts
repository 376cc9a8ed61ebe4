// The trial of a plan: how its field is read, written and described. rating/timeline/plan-trial.ts says when it ends.
// Contract section 9.

import { z } from 'zod'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'

/** A hundred years. */
const maxTrialDays = 36_500

/** Days; undefined: the plan has no trial. */
export function readTrial(reader: FieldReader, problems: Problems): number | undefined {
  const node = reader.field('trial')
  const map = node === undefined ? undefined : asMap(node, 'A trial', problems)
  if (map === undefined) return undefined
  const trial = new FieldReader(map, problems)
  const days = trial.requiredField('days') && trial.whole('days', 1, maxTrialDays)
  trial.refuseOthers('a trial')
  return days
}

export const trialField = z
  .strictObject({ days: z.int().min(1).max(maxTrialDays) })
  .meta({ description: 'Local days, of a subscription that starts on the plan and says no trial_until.' })
