// What is due and not billed, and what is billed and not acknowledged: asked by whoever closes the books of an entity.
// Invariant: what is due is what a preview of a billing run would bill, so that it is decided in one place (the core's seal).

import type { KV } from '@nats-io/kv'
import { batchFromWire } from '../../schemas/billing/billing-batch.js'
import { billingRunProgressSchema, runKeys } from '../../schemas/billing/billing-run.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { pauseFor } from '../broker/back-off.js'
import type { BatchOfRun, DueCharges, DueRequest, OpenBilling } from '../feature/open-billing.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { BillingApi, BillingRunView } from './routes.js'

export interface OpenBillingParts {
  readonly api: BillingApi
  readonly acknowledgements: Acknowledgements
  /** The bucket `weir_runs`. */
  readonly runs: KV
}

const answerWithinMs = 30_000
const pollMs = 50
const never = new AbortController().signal

export function openBilling(parts: OpenBillingParts): OpenBilling {
  return { due: request => due(parts, request), unacknowledged: batches => unacknowledged(parts, batches) }
}

async function due({ api }: OpenBillingParts, request: DueRequest): Promise<DueCharges> {
  const { cutoffNs, entityId, caller } = request
  const answer = await api.create({ cutoffNs, preview: true, ...(entityId ? { entityId } : {}) }, caller)
  if (answer.kind === 'refused') {
    const { code, detail } = answer
    return code === 'unknown_entity'
      ? { kind: 'known', lines: nothing(), heldBack: [] }
      : { kind: 'unknown', id: code, detail }
  }
  const run = await untilSealed(api, answer.value.run)
  const id = run.billing_run_id
  if (run.status === 'previewed')
    return { kind: 'known', lines: linesOf(api, id), heldBack: run.held_back ?? [] }
  if (run.status === 'unknown_entity') return { kind: 'known', lines: nothing(), heldBack: [] }
  const detail = `what is due is not known yet: weir billing-run show ${id} says what its preview waits for; ask again`
  return { kind: 'unknown', id, detail }
}

async function untilSealed(api: BillingApi, started: BillingRunView): Promise<BillingRunView> {
  const deadline = performance.now() + answerWithinMs
  for (let run = started; ; ) {
    if (run.status !== 'previewing' || performance.now() > deadline) return run
    await pauseFor(pollMs, never)
    const answer = await api.get(run.billing_run_id)
    if (answer.kind === 'ok') run = answer.value
  }
}

async function* linesOf(api: BillingApi, runId: string): AsyncGenerator<Charge> {
  for (let after: string | undefined; ; ) {
    const page = await api.batches(runId, after)
    if (page.kind === 'refused') throw new Error(`the preview ${runId}: ${page.detail}`)
    for (const wire of page.value.batches) {
      const parsed = batchFromWire(wire)
      if (parsed.kind === 'rejected') throw new Error(`the preview ${runId}: ${parsed.rejection.detail}`)
      yield* parsed.value.lines
    }
    if (page.value.next_after === null) return
    after = page.value.next_after
  }
}

async function* nothing(): AsyncGenerator<Charge> {}

async function unacknowledged(
  { acknowledgements, runs }: OpenBillingParts,
  batches: readonly BatchOfRun[],
): Promise<readonly BatchOfRun[]> {
  if (batches.length === 0 || !(await acknowledgements.areGiven())) return []
  const waiting: BatchOfRun[] = []
  for (const runId of new Set(batches.map(one => one.runId))) {
    const told = await runs.get(runKeys.progress(runId))
    const asked = new Set(batches.filter(one => one.runId === runId).map(one => one.batchId))
    const published = told === null ? [] : (billingRunProgressSchema.parse(told.json()).batches ?? [])
    const ours = published.filter(one => asked.has(one.batch_id) && one.held === undefined)
    const given = await acknowledgements.of(runId, ours)
    for (const { batch_id: batchId } of ours) if (!given.has(batchId)) waiting.push({ runId, batchId })
  }
  return waiting
}
