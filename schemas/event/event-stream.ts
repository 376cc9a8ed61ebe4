// Decides by an event's type which stream it belongs to. Every other stream refuses it, so that a sender who
// may send usage cannot change subscriptions or prices, and one who may change subscriptions cannot set
// prices.

export type EventStream = 'METERING' | 'LIFECYCLE' | 'CATALOG'

/** Types that begin with `weir.` are reserved, known or not; every other type is usage. */
export function isLifecycleType(type: string): boolean {
  return type.startsWith('weir.')
}

/** Events that belong to no customer; every partition reads them. */
export function isGlobalType(type: string): boolean {
  return type === 'weir.catalog.published' || type === 'weir.fx_rate.published'
}

export function streamOf(type: string): EventStream {
  if (isGlobalType(type)) return 'CATALOG'
  return isLifecycleType(type) ? 'LIFECYCLE' : 'METERING'
}
