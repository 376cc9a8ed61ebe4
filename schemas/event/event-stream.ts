// Which stream an event belongs to. Its type alone says so, and no other stream carries it: who may send usage does not
// thereby change subscriptions or set prices, and who changes subscriptions does not thereby set prices.

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
