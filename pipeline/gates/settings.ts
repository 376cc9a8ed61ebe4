// The section `gates` of the configuration: which status holds which act, further words of vendors, and the checks that Weir
// makes itself.
// Invariant: a rule that could not do what it says is refused when the configuration is read, with its place.

import type { z as Zod } from 'zod'
import { type Gate, gates } from '../../schemas/lifecycle/gates.js'
import type { SettingsSection } from '../config/setting.js'
import { type FoldedStatus, foldedStatuses, foldTargets, plain, type Words } from './fold.js'

/**
 * `activation`: billing runs leave the subscription out. `delivery`: records of the customer wait at connections. `payout`: so
 * do those that pay it something.
 */
export const heldActs = ['activation', 'delivery', 'payout'] as const
export type HeldAct = (typeof heldActs)[number]

export interface GateRule {
  readonly rule: string
  readonly gate: Gate
  readonly holds: readonly HeldAct[]
  /** The statuses that let it go. */
  readonly allows: readonly FoldedStatus[]
  /** Of a customer that has no status in this gate. */
  readonly without_status: 'allow' | 'hold'
  /** Of activation: subscriptions that began before are not held. Epoch milliseconds. */
  readonly since?: number | undefined
  readonly connections?: readonly string[] | undefined
  readonly entities?: readonly string[] | undefined
}

export interface ViesSettings {
  readonly url: string
  /** The key of a customer's metadata that holds the VAT number. */
  readonly metadata: string
  /** With these the answer brings a consultation number, which is the proof. */
  readonly requester?: { readonly country: string; readonly number: string } | undefined
  /** After how many days a number is checked again. */
  readonly again_days: number
}

export interface GatesSettings {
  readonly rules: readonly GateRule[]
  readonly words: Words
  /** Every record of these pays somebody. */
  readonly payout_connections: readonly string[]
  readonly vies?: ViesSettings | undefined
}

export const gatesSettings: SettingsSection<GatesSettings> = {
  name: 'gates',
  settings: [],
  schema: z =>
    z
      .strictObject({
        rules: z.array(rule(z)).max(100).superRefine(refuseSameNames).default([]),
        words: z.partialRecord(z.enum(gates), words(z)).default({}),
        payout_connections: z.array(z.string().min(1)).max(100).default([]),
        vies: vies(z).optional(),
      })
      .prefault({}) as Zod.ZodType<GatesSettings>,
}

function rule(z: typeof Zod) {
  const names = z.array(z.string().min(1)).min(1).optional()
  return z
    .strictObject({
      rule: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'up to 64 of a-z, 0-9 and _, the first a letter'),
      gate: z.enum(gates),
      holds: z.array(z.enum(heldActs)).min(1),
      allows: z.array(z.enum(foldedStatuses)).min(1).default(['approved', 'approved_with_conditions']),
      without_status: z.enum(['allow', 'hold']).default('allow'),
      since: z.iso
        .datetime({ offset: true })
        .transform(text => Date.parse(text))
        .optional(),
      connections: names,
      entities: names,
    })
    .superRefine((one, context) => {
      const issue = (name: string, message: string) =>
        context.addIssue({ code: 'custom', path: [name], message })
      const isOfActivation = one.holds.includes('activation')
      if (isOfActivation && one.without_status === 'hold')
        issue('without_status', 'activation is held by a status alone: send pending for new customers')
      if (isOfActivation && (one.connections !== undefined || one.entities !== undefined))
        issue(
          one.connections === undefined ? 'entities' : 'connections',
          'is for rules of deliveries and payouts',
        )
      if (!isOfActivation && one.since !== undefined) issue('since', 'is for rules of activation')
    })
}

function words(z: typeof Zod) {
  return z
    .record(z.string().min(1).max(256), z.enum(foldTargets))
    .transform(all => Object.fromEntries(Object.entries(all).map(([word, target]) => [plain(word), target])))
}

function vies(z: typeof Zod) {
  const base = 'https://ec.europa.eu/taxation_customs/vies/rest-api'
  return z.strictObject({
    url: z.url().default(base),
    metadata: z.string().min(1).max(100).default('vat_number'),
    requester: z
      .strictObject({ country: z.string().regex(/^[A-Z]{2}$/), number: z.string().min(1).max(20) })
      .optional(),
    again_days: z.int().min(1).max(366).default(90),
  })
}

function refuseSameNames(
  rules: readonly GateRule[],
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const seen = new Set<string>()
  for (const [index, { rule: name }] of rules.entries()) {
    const message = 'is the name of another rule already'
    if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'rule'], message })
    seen.add(name)
  }
}

/** A rule that names a connection that is none of these holds nothing there. */
export function unknownConnections(
  { rules, payout_connections }: GatesSettings,
  connections: readonly string[],
) {
  const all = [
    ...rules.flatMap(({ connections: names = [] }, index) =>
      names.map(name => ({ name, path: `rules.${index}.connections` })),
    ),
    ...payout_connections.map(name => ({ name, path: 'payout_connections' })),
  ]
  return all
    .filter(({ name }) => !connections.includes(name))
    .map(({ name, path }) => ({
      path: `gates.${path}`,
      code: 'unknown_connection',
      message: `names the connection ${name}, and there is none.`,
    }))
}
