// Decides by an event's type which stream it belongs to. No other stream takes it, so that permission to send usage is
// not permission to change subscriptions or prices, and permission to change subscriptions not one to set prices.

export type EventStream = 'METERING' | 'LIFECYCLE' | 'CATALOG'

/** Types beginning with `weir.` are ours, known or not; every other type is usage. */
export function isLifecycleType(type: string): boolean {
  return type.startsWith('weir.')
}

/** Events of no customer, which every partition reads. */
export function isGlobalType(type: string): boolean {
  return type === 'weir.catalog.published' || type === 'weir.fx_rate.published'
}

export function streamOf(type: string): EventStream {
  if (isGlobalType(type)) return 'CATALOG'
  return isLifecycleType(type) ? 'LIFECYCLE' : 'METERING'
}
