// What the amount of a segment depends on besides its usage, computed once per segment: the price as it
// applies there, its meter and the share of the period.

import type { ChargeBasis } from '../../../rating/periods/charge-basis.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { withoutMinimum } from '../../../rating/timeline/price-content.js'
import type { Segment } from '../../../rating/timeline/price-lines.js'
import { isSuspendedThroughout } from '../../../rating/timeline/timeline.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'

export function basisOf(segment: Segment<UsagePrice>, catalog: CatalogIndex): ChargeBasis {
  if (segment.basis !== undefined) return segment.basis
  const { line } = segment
  const meter = catalog.meter(line.price.meter)
  if (meter === undefined) throw new Error(`The meter ${line.price.meter} of a price in force is not known.`)
  const waives = isWaived(segment)
  const basis: ChargeBasis = {
    price: waives ? withoutMinimum(line.price) : line.price,
    meter,
    fraction: segment.fraction,
    trial: line.trial,
    ...(meter.window === undefined ? {} : { timezone: line.timezone }),
    ...(waives ? { suspended: true } : {}),
    fromNs: segment.fromNs,
    untilNs: segment.untilNs,
    period: segment.period,
  }
  segment.basis = basis
  return basis
}

/** Contract section 4: a segment that lies wholly in a suspension owes no minimum and no flat amount. */
function isWaived({ line, version, fromNs, untilNs }: Segment<UsagePrice>): boolean {
  if (line.minimumWhenSuspended || version.terms.status !== 'suspended') return false
  return isSuspendedThroughout(line.segments.timeline, fromNs, untilNs)
}
