// Decides whether Weir is ready, from progress: every partition with input commits, here or in another process; every feed
// with a pending range delivers; JetStream answers and has its quorum; the embedded servers answer and can write.
//
// A sink in trouble is shown at once, but Weir stays ready until nothing was delivered for `mostStaleMs`:
// events are safe in the ledger and are still accepted (I7).

import type { ApprovalKind } from '../../schemas/approvals/approval-kind.js'
import type { DeliveryStatus } from '../deliver/delivery-status.js'
import type { FlowSummary } from '../deliver/flow-gate.js'
import type { EngineStatus } from '../engine/engine.js'
import type { Readiness, ReadinessCheck } from '../gateway/health.js'

export interface Work {
  readonly partitions: readonly EngineStatus[]
  readonly feeds: readonly DeliveryStatus[]
  /** What is wrong with the embedded servers. */
  readonly servers?: readonly { readonly server: string; readonly detail: string }[]
  /** Since when JetStream has not answered or has no quorum. */
  readonly silence?: { readonly sinceMs: number; readonly detail: string } | undefined
  /** Usage is left unread because ClickHouse is behind. */
  readonly holdsBack?: boolean
  /** What people hold on purpose: it is told, and takes no readiness away. */
  readonly flow?: FlowSummary
  /** What rules hold for a second person, by kind: it is told, too. */
  readonly approvals?: ReadonlyMap<ApprovalKind, number>
  /** What waits in UNPLACED for its partition. */
  readonly placing?: {
    readonly messages: number
    /** Since when messages wait and none was placed. */
    readonly waitingSinceMs: number | undefined
    readonly trouble: { readonly code: string; readonly detail: string } | undefined
  }
}

type Placing = NonNullable<Work['placing']>

/** How long JetStream may be silent: a leader that moves takes some seconds. */
const mostSilentMs = 5_000
/** How long a commit may wait for the broker. */
const mostCommitMs = 5_000
/** How long a partition may have input and not commit. */
const mostIdleMs = 30_000
/** After this long without applying a range a sink is reported as slow. */
const mostApplyMs = 10_000
/** How long a feed with a pending range may deliver nothing before this process is not ready. */
const mostStaleMs = 30_000

export function readinessOf(work: Work, nowMs = Date.now()): Readiness {
  const partitions = work.partitions.map(engine => partitionCheck(engine, work.holdsBack === true, nowMs))
  const feeds = work.feeds.map(feed => feedCheck(feed, nowMs))
  const placing = work.placing === undefined ? [] : [placingCheck(work.placing, nowMs)]
  const servers = (work.servers ?? []).map(({ server, detail }) => ({
    name: `server_${server.toLowerCase().replace(/[^a-z0-9]+/g, '_')}`,
    ok: false,
    detail,
  }))
  const jetstream = work.silence === undefined ? [] : [silenceCheck(work.silence, nowMs)]
  const ready =
    jetstream.every(check => check.ok) &&
    partitions.every(check => check.ok) &&
    servers.length === 0 &&
    nowMs - (work.placing?.waitingSinceMs ?? nowMs) < mostStaleMs &&
    work.feeds.every(feed => staleMs(feed, nowMs) < mostStaleMs)
  return {
    ready,
    checks: [
      ...[...servers, ...flowCheck(work.flow), ...approvalsCheck(work.approvals)],
      ...[...placing, ...partitions, ...feeds, ...jetstream],
    ],
  }
}

function flowCheck(flow: FlowSummary | undefined): ReadinessCheck[] {
  if (flow === undefined) return []
  return [{ name: 'flow', ok: true, detail: flow.notes.length === 0 ? 'normal' : flow.notes.join('; ') }]
}

function approvalsCheck(waiting: Work['approvals']): ReadinessCheck[] {
  if (waiting === undefined || waiting.size === 0) return []
  const counts = [...waiting].map(([kind, count]) => `${kind} ${count}`).join(', ')
  return [{ name: 'approvals', ok: true, detail: `wait for a second person (weir approvals ls): ${counts}` }]
}

function silenceCheck({ sinceMs, detail }: NonNullable<Work['silence']>, nowMs: number): ReadinessCheck {
  const silentMs = nowMs - sinceMs
  return { name: 'jetstream', ok: silentMs <= mostSilentMs, detail: `for ${seconds(silentMs)}: ${detail}` }
}

function partitionCheck(engine: EngineStatus, holdsBack: boolean, nowMs: number): ReadinessCheck {
  const name = `partition_${engine.partition}`
  const { failure, state, trouble } = engine
  const because = trouble === undefined ? '' : `: ${trouble}`
  if (failure !== undefined) return { name, ok: false, detail: `${failure.code}: ${failure.detail}` }
  if (state === 'fenced') return { name, ok: true, detail: state }
  if (state !== 'running') return { name, ok: false, detail: `${state}${because}` }
  const committingMs = nowMs - (engine.committingSinceMs ?? nowMs)
  if (committingMs > mostCommitMs) {
    return { name, ok: false, detail: `a commit has waited for ${seconds(committingMs)}${because}` }
  }
  const { lag } = engine
  const waits = lag.lifecycle + lag.catalog + (holdsBack ? 0 : lag.metering)
  const idleMs = nowMs - Math.max(engine.lastCommitAtMs ?? 0, engine.stateSinceMs)
  if (waits > 0 && idleMs > mostIdleMs) {
    const detail = `${waits} messages wait, and nothing was committed for ${seconds(idleMs)}${because}`
    return { name, ok: false, detail }
  }
  return { name, ok: true, detail: `${state}${because}` }
}

function placingCheck({ messages, waitingSinceMs, trouble }: Placing, nowMs: number): ReadinessCheck {
  const name = 'placing'
  const because = trouble === undefined ? '' : `: ${trouble.code}: ${trouble.detail}`
  const waitedMs = nowMs - (waitingSinceMs ?? nowMs)
  if (waitedMs > mostApplyMs) {
    const detail = `${messages} messages of UNPLACED wait, and none was placed for ${seconds(waitedMs)}${because}`
    return { name, ok: false, detail }
  }
  return { name, ok: trouble === undefined, detail: `running${because}` }
}

function feedCheck(feed: DeliveryStatus, nowMs: number): ReadinessCheck {
  const name = `sink_${feed.key}`
  const { state, trouble, hold } = feed
  const held = state === 'paused' ? hold?.detail : undefined
  const cause = held ?? (trouble === undefined ? undefined : `${trouble.code}: ${trouble.detail}`)
  const because = cause === undefined ? '' : `: ${cause}`
  const applyingMs = staleMs(feed, nowMs)
  if (applyingMs > mostApplyMs) {
    const detail = `${state}: ${feed.sink} has not taken what it was given ${seconds(applyingMs)} ago${because}`
    return { name, ok: false, detail }
  }
  return { name, ok: state === 'running' || state === 'standby', detail: `${state}${because}` }
}

/** For how long the sink has had a range in hand. */
function staleMs({ applyingSinceMs, state }: DeliveryStatus, nowMs: number): number {
  return applyingSinceMs === undefined || state === 'paused' || state === 'standby'
    ? 0
    : nowMs - applyingSinceMs
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`
}
