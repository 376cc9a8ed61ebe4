// `weir approvals`: what is held back in a running Weir, and the decision.

import type { Approval } from '../../schemas/approvals/approval.js'
import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'

interface RedFlagWire {
  readonly flag: string
  readonly mode: string
  readonly customer_id: string
  readonly detail: string
  readonly recorded_at: string
}

export function listApprovalsCommand(
  args: GatewayArguments & { readonly state?: string; readonly kind?: string },
  io: CliIo,
): Promise<number> {
  const { gateway, json, state = 'waiting', kind } = args
  return answer(io, async () => {
    const query = new URLSearchParams()
    if (state !== 'all') query.set('state', state)
    if (kind !== undefined) query.set('kind', kind)
    const path = `/v1/approvals${query.size === 0 ? '' : `?${query}`}`
    const { approvals } = await callGateway<{ approvals: readonly Approval[] }>(gateway, path)
    io.stdout.write(json ? `${JSON.stringify(approvals)}\n` : describeApprovals(approvals))
  })
}

export function showApprovalCommand(
  { gateway, json, id }: GatewayArguments & { readonly id: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<Approval>(gateway, `/v1/approvals/${encodeURIComponent(id)}`)
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeApproval(found))
  })
}

export function decideCommand(
  args: GatewayArguments & {
    readonly id: string
    readonly act: 'approve' | 'reject'
    readonly reason?: string
  },
  io: CliIo,
): Promise<number> {
  const { gateway, json, id, act, reason } = args
  return answer(io, async () => {
    const body = JSON.stringify(reason === undefined ? {} : { reason })
    const init = { method: 'POST', headers: { 'content-type': jsonType }, body }
    const decided = await callGateway<Approval>(
      gateway,
      `/v1/approvals/${encodeURIComponent(id)}/${act}`,
      init,
    )
    const text = `${decided.kind} ${decided.object_id} is ${decided.state}.\n`
    io.stdout.write(json ? `${JSON.stringify(decided)}\n` : text)
  })
}

export function flagsCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<{ red_flags: readonly RedFlagWire[] }>(gateway, '/v1/red-flags')
    io.stdout.write(json ? `${JSON.stringify(found.red_flags)}\n` : describeFlags(found.red_flags))
  })
}

function describeFlags(flags: readonly RedFlagWire[]): string {
  if (flags.length === 0) return 'There are no red flags.\n'
  const rows = flags.map(one => [one.flag, one.mode, one.customer_id, one.recorded_at, one.detail])
  const head = ['flag', 'mode', 'customer', 'at', 'why']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'left'], rows)}\n`
}

function describeApprovals(approvals: readonly Approval[]): string {
  if (approvals.length === 0) return 'Nothing is there.\n'
  const rows = approvals.map(one => [
    one.approval_id,
    one.kind,
    objectOf(one),
    one.state,
    one.requested_at,
    one.requested_by?.name ?? 'weir',
    one.rules.map(({ rule }) => rule).join(' '),
  ])
  const head = ['approval', 'kind', 'of', 'state', 'asked at', 'by', 'rules']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'left', 'left', 'left'], rows)}\n`
}

/** Of a delivery what goes where: "120 EUR of acme to sap"; else the batch or job. */
function objectOf({ object_id, facts: { record, amounts } }: Approval): string {
  if (record === null) return object_id
  const amount = amounts.map(one => `${one.amount ?? 'an unknown amount'} ${one.currency}`).join(', ')
  return `${amount} of ${record.customer_id} to ${record.connection}`
}

function describeApproval(approval: Approval): string {
  const { approval_id, kind, object_id, state, rules, requested_by, requested_at, evidence } = approval
  const { decided_by, decided_at, reason } = approval
  return [
    `${approval_id}: ${kind} ${object_id}, ${state}`,
    ...(approval.facts.record === null ? [] : [`${approval.facts.record.kind}: ${objectOf(approval)}`]),
    `asked for by ${requested_by === null ? 'weir' : `${requested_by.name} (${requested_by.key_id})`} at ${requested_at}`,
    ...(decided_by === null
      ? []
      : [`${state} by ${decided_by.name} (${decided_by.key_id}) at ${decided_at}: ${reason ?? ''}`]),
    ...rules.map(({ rule, version, detail }) => `  ${rule} (version ${version}): ${detail}`),
    'evidence:',
    JSON.stringify(evidence, null, 2),
    '',
  ].join('\n')
}
