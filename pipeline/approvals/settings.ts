// The section `approvals` of the configuration: the rules that hold something back, as data.
// Invariants: a rule names one condition; two rules have two names; amounts are decimal text.

import type { z as Zod } from 'zod'
import {
  type ApprovalKind,
  approvalKinds,
  type HeldRecordKind,
  heldRecordKinds,
} from '../../schemas/approvals/approval-kind.js'
import { parseDecimal } from '../../schemas/money/decimal.js'
import type { SettingsSection } from '../config/setting.js'

export const redFlags = ['credit_pattern', 'repeated_collisions', 'write_without_source'] as const
export type RedFlag = (typeof redFlags)[number]
export type FlagMode = 'off' | 'notice' | 'hold'

export interface SpikeTerms {
  /** Held when the amount is more than so many times the average of the periods before. */
  readonly times: string
  /** How many periods before are looked at. */
  readonly periods: number
  readonly of: 'customer' | 'entity'
  /** Smaller amounts are never held. */
  readonly at_least: string
}

/** One rule; exactly one of the last five is there. */
export interface ApprovalRule {
  readonly rule: string
  readonly version: number
  readonly holds: readonly ApprovalKind[]
  /** Only of these legal entities; absent: of all. */
  readonly entities?: readonly string[] | undefined
  /** These three of a rule that holds deliveries alone; absent: all. */
  readonly connections?: readonly string[] | undefined
  readonly records?: readonly HeldRecordKind[] | undefined
  readonly customers?: readonly string[] | undefined
  readonly amount?: { readonly at_least: string; readonly currency?: string | undefined } | undefined
  readonly spike?: SpikeTerms | undefined
  readonly reversal_without_invoice?: true | undefined
  readonly reversal_without_charge?: true | undefined
  readonly missing_source?: true | undefined
}

export interface ApprovalSettings {
  readonly rules: readonly ApprovalRule[]
  readonly red_flags: Readonly<Record<RedFlag, FlagMode>>
}

export const approvalsSettings: SettingsSection<ApprovalSettings> = {
  name: 'approvals',
  settings: [],
  schema: z => {
    const mode = z.enum(['off', 'notice', 'hold']).default('notice')
    return z
      .strictObject({
        rules: z.array(rule(z)).superRefine(refuseSameNames).default([]),
        red_flags: z
          .strictObject({ credit_pattern: mode, repeated_collisions: mode, write_without_source: mode })
          .prefault({}),
      })
      .prefault({})
  },
}

/** A rule that names a connection that is none of these holds nothing there. For `weir validate` and the start. */
export function unknownConnections({ rules }: ApprovalSettings, connections: readonly string[]) {
  return rules.flatMap((rule, index) =>
    (rule.connections ?? [])
      .filter(name => !connections.includes(name))
      .map(name => ({
        path: `approvals.rules.${index}.connections`,
        code: 'unknown_connection',
        message: `the rule ${rule.rule} names the connection ${name}, and there is none.`,
      })),
  )
}

const conditions = [
  'amount',
  'spike',
  'reversal_without_invoice',
  'reversal_without_charge',
  'missing_source',
] as const
/** What only rules of deliveries choose by. */
const ofDeliveries = ['connections', 'records', 'customers'] as const

/** What each condition can hold. */
const holdable: Readonly<Record<(typeof conditions)[number], readonly ApprovalKind[]>> = {
  amount: approvalKinds,
  spike: ['billing_batch'],
  reversal_without_invoice: ['billing_batch', 'credit', 'delivery'],
  reversal_without_charge: ['delivery'],
  missing_source: ['billing_batch', 'delivery'],
}

function rule(z: typeof Zod) {
  const decimal = z.string('is a decimal in quotes, such as "1000.00"').refine(text => {
    const read = parseDecimal(text)
    return read.kind === 'ok' && read.value >= 0n
  }, 'is a decimal of at least 0, such as "1000.00"')
  const names = z.array(z.string().min(1)).min(1).optional()
  return z
    .strictObject({
      rule: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'up to 64 of a-z, 0-9 and _, the first a letter'),
      version: z.int().min(1).default(1),
      holds: z.array(z.enum(approvalKinds)).min(1),
      entities: names,
      connections: names,
      records: z.array(z.enum(heldRecordKinds)).min(1).optional(),
      customers: names,
      amount: z
        .strictObject({
          at_least: decimal,
          currency: z
            .string()
            .regex(/^[A-Z]{3}$/)
            .optional(),
        })
        .optional(),
      spike: z
        .strictObject({
          times: decimal,
          periods: z.int().min(1).max(24).default(3),
          of: z.enum(['customer', 'entity']).default('customer'),
          at_least: decimal.default('0'),
        })
        .optional(),
      reversal_without_invoice: z.literal(true).optional(),
      reversal_without_charge: z.literal(true).optional(),
      missing_source: z.literal(true).optional(),
    })
    .superRefine(refuseMisfits)
}

/** One condition, of which everything that the rule holds has one, chosen by what it has. */
function refuseMisfits(
  one: Omit<ApprovalRule, 'rule' | 'version'>,
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const named = conditions.filter(name => one[name] !== undefined)
  if (named.length !== 1) {
    const message = `a rule has exactly one of ${conditions.join(', ')}; this one has ${named.length}`
    context.addIssue({ code: 'custom', path: [], message })
  }
  for (const name of named) {
    const wrong = one.holds.findIndex(kind => !holdable[name].includes(kind))
    const message = `${name} can hold ${holdable[name].join(', ')} only`
    if (wrong >= 0) context.addIssue({ code: 'custom', path: ['holds', wrong], message })
  }
  for (const name of ofDeliveries) {
    if (one[name] === undefined || one.holds.every(kind => kind === 'delivery')) continue
    const message = `is for rules that hold delivery alone`
    context.addIssue({ code: 'custom', path: [name], message })
  }
}

function refuseSameNames(
  rules: readonly ApprovalRule[],
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const seen = new Set<string>()
  for (const [index, { rule: name }] of rules.entries()) {
    const message = `is the name of another rule already`
    if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'rule'], message })
    seen.add(name)
  }
}
