// `weir billing-run create|show|batches`: the billing API of a running Weir, for people and scripts.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Acknowledgement } from '../../schemas/billing/acknowledgement.js'
import type { HeldBack } from '../../schemas/billing/held-back.js'
import { jsonType } from '../../schemas/event/media-types.js'
import { parseInstant } from '../../schemas/time.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'

export interface CreateArguments extends GatewayArguments {
  readonly cutoff: string
  readonly entity?: string
  readonly customer?: string
  readonly idempotencyKey?: string
  /** Show what the run would bill, and bill nothing. */
  readonly preview?: boolean
  /** Return only when the batches are published; a preview always waits. */
  readonly wait?: boolean
}

interface RunWire {
  readonly billing_run_id: string
  readonly cutoff: string
  readonly entity_id: string | null
  readonly customer_id?: string | null
  readonly preview: boolean
  readonly status: string
  readonly partitions: { readonly sealed: number; readonly of: number }
  readonly waiting_for?: readonly { readonly partition: number; readonly stopped: string | null }[]
  readonly batches: { readonly published: number; readonly acknowledged: number }
  readonly totals: readonly {
    readonly entity_id: string
    readonly currency: string
    readonly line_count: number
    readonly amount_total: string
    readonly amount_rounded_total: string
  }[]
  readonly held_back?: readonly HeldBack[]
}

interface BatchWire {
  readonly batch_id: string
  readonly entity_id: string
  readonly currency: string
  readonly number: number
  readonly of: number
  readonly control: {
    readonly line_count: number
    readonly amount_rounded_total: string
    readonly sha256: string
  }
  readonly acknowledgement: Acknowledgement | null
}

const pollMs = 200

export async function createCommand(args: CreateArguments, io: CliIo): Promise<number> {
  if (parseInstant(args.cutoff) === undefined) {
    io.stderr.write(
      `--cutoff takes an RFC 3339 instant with an offset, such as 2026-02-01T00:00:00Z, not "${args.cutoff}".\n`,
    )
    return exitCodes.usage
  }
  return answer(io, async () => {
    const headers: Record<string, string> = { 'content-type': jsonType }
    if (args.idempotencyKey !== undefined) headers['idempotency-key'] = args.idempotencyKey
    const body = JSON.stringify({
      cutoff: args.cutoff,
      ...(args.entity === undefined ? {} : { entity_id: args.entity }),
      ...(args.customer === undefined ? {} : { customer_id: args.customer }),
      ...(args.preview ? { preview: true } : {}),
    })
    let run = await callGateway<RunWire>(args.gateway, '/v1/billing-runs', { method: 'POST', headers, body })
    let told = ''
    while ((args.wait && run.status === 'sealing') || run.status === 'previewing') {
      const lines = waitingLines(run, true).join('\n')
      if (lines !== '' && lines !== told) io.stderr.write(`${lines}\n`)
      told = lines
      await sleep(pollMs)
      run = await callGateway<RunWire>(args.gateway, `/v1/billing-runs/${run.billing_run_id}`)
    }
    io.stdout.write(args.json ? `${JSON.stringify(run)}\n` : describeRun(run))
    if (run.status === 'unknown_entity') throw new Error(`Nobody has or had the entity ${run.entity_id}.`)
  })
}

export function showCommand(args: GatewayArguments & { readonly id: string }, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const run = await callGateway<RunWire>(args.gateway, `/v1/billing-runs/${encodeURIComponent(args.id)}`)
    io.stdout.write(args.json ? `${JSON.stringify(run)}\n` : describeRun(run))
  })
}

export function batchesCommand(
  args: GatewayArguments & { readonly id: string; readonly after?: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const batches: BatchWire[] = []
    let after: string | null | undefined = args.after
    do {
      const query: string = after == null ? '' : `?after=${encodeURIComponent(after)}`
      const path = `/v1/billing-runs/${encodeURIComponent(args.id)}/batches${query}`
      const page: { batches: BatchWire[]; next_after: string | null } = await callGateway(args.gateway, path)
      batches.push(...page.batches)
      after = page.next_after
    } while (after !== null)
    io.stdout.write(args.json ? `${JSON.stringify(batches)}\n` : describeBatches(batches))
  })
}

function describeRun(run: RunWire): string {
  const { sealed, of } = run.partitions
  const { published, acknowledged } = run.batches
  const totals = run.totals.map(total => [
    total.entity_id || '(none)',
    total.currency,
    String(total.line_count),
    total.amount_rounded_total,
    total.amount_total,
  ])
  return [
    run.preview
      ? `Preview ${run.billing_run_id}: ${run.status}; nothing is billed`
      : `Billing run ${run.billing_run_id}: ${run.status}`,
    `cutoff ${run.cutoff}, ${run.entity_id === null ? 'all entities' : `entity ${run.entity_id}`}${run.customer_id == null ? '' : `, customer ${run.customer_id}`}`,
    run.preview
      ? `seen by ${sealed} of ${of} partitions; ${published} batches`
      : `sealed by ${sealed} of ${of} partitions; ${published} batches, ${acknowledged} acknowledged`,
    ...waitingLines(run, false),
    ...(totals.length === 0
      ? []
      : [
          plainTable(
            ['entity', 'currency', 'charges', 'rounded', 'exact'],
            ['left', 'left', 'right', 'right', 'right'],
            totals,
          ),
        ]),
    ...heldBackLines(run),
    '',
  ].join('\n')
}

function heldBackLines({ held_back: held = [] }: RunWire): string[] {
  return held.map(one => {
    const what =
      one.subscription_id === null ? one.customer_id : `${one.subscription_id} of ${one.customer_id}`
    return `held back: ${what}, ${one.line_count} charges of ${one.amount_rounded} ${one.currency}`
  })
}

/** The partitions that the run waits for. `stoppedOnly`: only those that will not seal by themselves. */
function waitingLines({ waiting_for: waiting = [] }: RunWire, stoppedOnly: boolean): string[] {
  const running = waiting.filter(({ stopped }) => stopped === null).map(({ partition }) => partition)
  const lines = waiting
    .filter(({ stopped }) => stopped !== null)
    .map(({ partition, stopped }) => `waits for partition ${partition}, which has stopped: ${stopped}`)
  if (stoppedOnly || running.length === 0) return lines
  return [...lines, `waits for partition${running.length === 1 ? '' : 's'} ${running.join(', ')}`]
}

function describeBatches(batches: readonly BatchWire[]): string {
  if (batches.length === 0) return 'No batches are published yet, or there was nothing to bill.\n'
  const rows = batches.map(batch => [
    batch.batch_id,
    batch.entity_id || '(none)',
    batch.currency,
    `${batch.number}/${batch.of}`,
    String(batch.control.line_count),
    batch.control.amount_rounded_total,
    ...whenAndByWhom(batch.acknowledgement),
  ])
  const head = ['batch', 'entity', 'currency', 'number', 'charges', 'rounded', 'acknowledged', 'by']
  const sides = ['left', 'left', 'left', 'left', 'right', 'right', 'left', 'left'] as const
  return `${plainTable(head, sides, rows)}\n`
}

/** Two cells of the table. */
function whenAndByWhom(acknowledgement: Acknowledgement | null): [string, string] {
  if (acknowledgement === null) return ['no', '']
  const { acknowledged_at: at, acknowledged_by: by } = acknowledgement
  const who =
    by === null ? '' : by.kind === 'api_key' ? `key ${by.name} (${by.id})` : `NATS consumer ${by.id}`
  return [at ?? 'yes', who]
}
