// The decision of the flow gate: a pure function of what people have set, the windows that are open, and what asks.
//
//   paused > incident > mode > freeze window > rollout of the connection > allow-list
//
// The first that holds gives the code and the reason. What is set later in this order is found when the first ends.

import type { DeliveryClass, Rollout } from '../deliver/feed.js'
import type { Hold } from '../deliver/flow-gate.js'
import type { FlowState, Stamp } from './flow-state.js'
import type { FreezeWindow } from './window-shape.js'

export interface OpenWindow {
  readonly window: FreezeWindow
  readonly untilMs: number
}

export type Asked =
  /** The next range of a feed. Whoever `leaves` writes outside Weir. */
  | { readonly kind: 'range'; readonly feed: string; readonly leaves: boolean }
  | {
      readonly kind: 'record'
      readonly connection: string
      readonly entity: string
      readonly customer: string
      /** Of the configuration; what somebody set by command goes before it. */
      readonly rollout: Rollout
    }
  /** Without an entity: a run of all. */
  | { readonly kind: 'billing_run'; readonly entity?: string | undefined }
  | { readonly kind: 'batch'; readonly entity: string }

export function holdOf(state: FlowState, open: readonly OpenWindow[], asked: Asked): Hold | undefined {
  switch (asked.kind) {
    case 'range':
      return pausedBy(state, asked.feed) ?? (asked.leaves ? heldByWeir(state, open, 'money') : undefined)
    case 'record':
      return (
        heldByWeir(state, open, asked.rollout.class, asked.entity) ??
        heldByRollout(own(state.rollouts, asked.connection), asked)
      )
    case 'billing_run':
      return heldByWeir(state, open, 'money', asked.entity, true)
    case 'batch':
      return heldByWeir(state, open, 'money', asked.entity)
    default:
      return asked satisfies never
  }
}

function pausedBy({ paused }: FlowState, feed: string): Hold | undefined {
  const stamp = own(paused, feed)
  return stamp === undefined ? undefined : { code: 'paused', detail: `paused ${words(stamp)}` }
}

/** `onlyFrozen`: a billing run, which read-only does not hold. Without an entity every window counts. */
function heldByWeir(
  { incident, mode }: FlowState,
  open: readonly OpenWindow[],
  ofClass: DeliveryClass,
  entity?: string,
  onlyFrozen = false,
): Hold | undefined {
  if (incident !== null && !incident.done.some(({ step }) => step === ofClass)) {
    const { incident_id: id, done } = incident
    return { code: 'incident', detail: `incident ${id}, opened ${words(done[0])}` }
  }
  if (mode.mode === 'frozen') return { code: 'frozen', detail: `frozen ${words(mode)}` }
  if (mode.mode === 'read_only' && !onlyFrozen)
    return { code: 'read_only', detail: `read-only ${words(mode)}` }
  const ofEntity = open.filter(
    ({ window }) =>
      (window.entity === undefined || entity === undefined || window.entity === entity) &&
      (window.mode === 'frozen' || !onlyFrozen),
  )
  return ofEntity.length === 0 ? undefined : heldByWindow(ofEntity)
}

/** Of several windows the one that is open longest, frozen before read-only. */
function heldByWindow(open: readonly OpenWindow[]): Hold {
  const frozen = open.filter(({ window }) => window.mode === 'frozen')
  const { window, untilMs } = (frozen.length > 0 ? frozen : open).reduce((a, b) =>
    b.untilMs > a.untilMs ? b : a,
  )
  const until = new Date(untilMs).toISOString().replace('.000', '')
  const what = window.mode === 'frozen' ? 'frozen' : 'read-only'
  return {
    code: window.mode,
    detail: `${what} until ${until} by the window ${window.name}: ${window.reason}`,
    untilMs,
  }
}

function heldByRollout(
  set: Pick<Rollout, 'mode' | 'allow'> | undefined,
  { connection, rollout, entity, customer }: Extract<Asked, { kind: 'record' }>,
): Hold | undefined {
  const { mode, allow } = set ?? rollout
  switch (mode) {
    case 'automatic':
      return undefined
    case 'read_only':
      return { code: 'read_only', detail: `the connection ${connection} is read-only` }
    case 'controlled': {
      if (allow.entities.includes(entity) || allow.customers.includes(customer)) return undefined
      const what = `customer ${customer}${entity === '' ? '' : ` of entity ${entity}`}`
      return { code: 'not_on_allow_list', detail: `${what} is not on the allow-list of ${connection}` }
    }
    default:
      return mode satisfies never
  }
}

/** A connection may be called `constructor`. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

/** "since 2026-11-27T10:00:00Z by ops: reason" */
export function words(stamp: Stamp | undefined): string {
  if (stamp === undefined) return ''
  const { at, by, reason } = stamp
  return `${at === '' ? '' : `since ${at} `}${by === '' ? '' : `by ${by}`}${reason === '' ? '' : `: ${reason}`}`
}
