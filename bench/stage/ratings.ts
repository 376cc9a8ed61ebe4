// One rating alone, as plain usage is rated: a value is added to a running total, and what is owed for the total is told
// anew. Nothing else of the event is touched.

import { basisOf } from '../../pipeline/core/rate/basis.js'
import type { PriceBook } from '../../pipeline/core/state/price-book.js'
import { amountOfTotal } from '../../rating/charges/rate.js'
import { raterOf } from '../../rating/charges/rater.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import type { Attached } from './general-way.js'
import type { StageClock } from './stage-clock.js'

const ratings = 1_000_000
const warmUp = 50_000

export function runRatings({ attached }: Attached, book: PriceBook, clock: StageClock): void {
  for (const [plan, model] of [
    ['payg', 'per_unit'],
    ['growth', 'graduated'],
  ] as const) {
    const attachment = attached.find(
      one => one.kind === 'attached' && one.assignments[0]?.version.terms.plan === plan,
    )
    const assignment = attachment?.kind === 'attached' ? attachment.assignments[0] : undefined
    if (assignment === undefined) continue
    const basis = basisOf(assignment.segment, book.catalog)
    const rater = raterOf(basis)
    const quantities = Array.from({ length: 1_000 }, (_, index) => BigInt(1 + (index % 400)) * scaledOne)
    let total = 0n
    const rateSome = (count: number): bigint => {
      let owed = 0n
      for (let i = 0; i < count; i += 1) {
        total += quantities[i % quantities.length]!
        owed = amountOfTotal(rater, total)
      }
      return owed
    }
    rateSome(warmUp)
    clock.time(`rating alone, ${model}`, ratings, () => rateSome(ratings))
  }
}
