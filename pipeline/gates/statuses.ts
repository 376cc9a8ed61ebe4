// The statuses of one customer, and what follows from them: a pure function of what was told, the rules and the clock.
// Invariants:
// 1. The order in which statuses came makes no difference: they stand in the order of their own time, then source and id.
// 2. A status whose `until` has passed counts as expired. What is no answer of a check changes nothing.
// 3. A word that nobody knows holds payouts, whatever the rules say.

import { z } from 'zod'
import { type Gate, gates } from '../../schemas/lifecycle/gates.js'
import { formatInstant } from '../../schemas/time.js'
import { type Folded, fold, type Words } from './fold.js'
import type { GateRule, GatesSettings, HeldAct } from './settings.js'

const nanoseconds = z.string().regex(/^-?\d+$/)
const statusSchema = z.object({
  gate: z.enum(gates),
  status: z.string(),
  /** Epoch nanoseconds. */
  at: nanoseconds,
  until: nanoseconds.nullable(),
  source: z.string(),
  id: z.string(),
  reason: z.string(),
  reference: z.string(),
})
export type ToldStatus = Readonly<z.infer<typeof statusSchema>>

export const customerStatusesSchema = z.object({ customer_id: z.string(), statuses: z.array(statusSchema) })
export type CustomerStatuses = Readonly<z.infer<typeof customerStatusesSchema>>

/** Of each gate so many are kept, the latest. */
const mostOfGate = 50

/** All of both, in their order, each once. */
export function mergedStatuses(
  before: readonly ToldStatus[],
  more: readonly ToldStatus[],
): readonly ToldStatus[] {
  const all = new Map<string, ToldStatus>()
  for (const one of [...before, ...more]) {
    const key = JSON.stringify([one.gate, one.source, one.id])
    const same = all.get(key) // sent twice in other words, so long apart that nobody remembered
    if (same === undefined || inOrder(same, one) < 0) all.set(key, one)
  }
  return gates.flatMap(gate =>
    [...all.values()]
      .filter(one => one.gate === gate)
      .sort(inOrder)
      .slice(-mostOfGate),
  )
}

function inOrder(a: ToldStatus, b: ToldStatus): number {
  const difference = BigInt(a.at) - BigInt(b.at)
  if (difference !== 0n) return difference < 0n ? -1 : 1
  const [left, right] = [a, b].map(one => JSON.stringify([one.source, one.id, one.status, one.until])) as [
    string,
    string,
  ]
  return left < right ? -1 : left > right ? 1 : 0
}

export interface Standing {
  readonly gate: Gate
  readonly status: Folded
  /** As it was told. */
  readonly word: string
  /** RFC 3339; of an expired one, when it expired. */
  readonly since: string
  readonly until: string | null
  readonly reason: string
  readonly reference: string
}

/** How a gate stands now; undefined: nobody has told anything. */
export function standingOf(
  statuses: readonly ToldStatus[],
  gate: Gate,
  words: Words,
  nowMs: number,
): Standing | undefined {
  const told = statuses.filter(one => one.gate === gate)
  const last = told.findLast(one => fold(gate, one.status, words) !== 'no_answer') ?? told[0]
  if (last === undefined) return undefined
  const folded = fold(gate, last.status, words)
  const isOver = last.until !== null && BigInt(last.until) <= BigInt(nowMs) * 1_000_000n // invariant 2
  return {
    gate,
    status: isOver ? 'expired' : folded === 'no_answer' ? 'pending' : folded,
    word: last.status,
    since: formatInstant(BigInt(isOver ? last.until! : last.at)),
    until: last.until === null ? null : formatInstant(BigInt(last.until)),
    reason: last.reason,
    reference: last.reference,
  }
}

export interface HeldBy {
  readonly act: HeldAct
  readonly rule: string
  readonly gate: Gate
  readonly connections: readonly string[] | null
  readonly entities: readonly string[] | null
  readonly reason: string
  readonly since: string | null
  readonly next: string
}

/** Everything that is held of a customer now. */
export function heldBy(
  customerId: string,
  statuses: readonly ToldStatus[],
  { rules, words }: Pick<GatesSettings, 'rules' | 'words'>,
  nowMs: number,
): readonly HeldBy[] {
  const held: HeldBy[] = []
  for (const gate of gates) {
    const standing = standingOf(statuses, gate, words, nowMs)
    for (const rule of rules) {
      if (rule.gate !== gate || lets(rule, standing)) continue
      for (const act of rule.holds) held.push(holdOfRule(customerId, act, rule, standing))
    }
    if (
      standing?.status === 'unknown' &&
      !held.some(one => one.act === 'payout' && one.gate === gate && everywhere(one))
    )
      held.push(holdOfRule(customerId, 'payout', { ...unknownWord, gate }, standing)) // invariant 3
  }
  return held
}

const unknownWord = { rule: 'unknown_word', allows: [] as const }

function lets({ allows, without_status }: GateRule, standing: Standing | undefined): boolean {
  if (standing === undefined) return without_status === 'allow'
  return (allows as readonly string[]).includes(standing.status)
}

function everywhere({ connections, entities }: HeldBy): boolean {
  return connections === null && entities === null
}

function holdOfRule(
  customerId: string,
  act: HeldAct,
  rule: Pick<GateRule, 'rule' | 'gate' | 'allows' | 'connections' | 'entities'>,
  standing: Standing | undefined,
): HeldBy {
  return {
    act,
    rule: rule.rule,
    gate: rule.gate,
    connections: rule.connections ?? null,
    entities: rule.entities ?? null,
    reason: reasonOf(customerId, rule, standing),
    since: standing?.since ?? null,
    next: nextOf(rule, standing),
  }
}

function reasonOf(
  customerId: string,
  { rule, gate }: Pick<GateRule, 'rule' | 'gate'>,
  standing: Standing | undefined,
) {
  if (standing === undefined) return `${gate} of ${customerId} has no status (rule ${rule})`
  const { status, word, since } = standing
  const told = word.toLowerCase() === status ? '' : ` (${word.slice(0, 100)})`
  return `${gate} of ${customerId} is ${status}${told} since ${since} (rule ${rule})`
}

function nextOf({ allows, gate }: Pick<GateRule, 'allows' | 'gate'>, standing: Standing | undefined): string {
  if (standing?.status === 'unknown')
    return `Say what ${standing.word.slice(0, 100)} means: gates.words.${gate} in the configuration.`
  return `It goes on by itself when ${gate} is ${allows.join(' or ')}: weir.customer.status_changed.`
}

/**
 * Whether a subscription that begins at `startNs` was let in at any instant since: it keeps running then, whatever comes
 * after. Until a status was told nothing is let in.
 */
export function isActivated(
  statuses: readonly ToldStatus[],
  rule: GateRule,
  words: Words,
  startNs: bigint,
  nowMs: number,
): boolean {
  if (rule.since !== undefined && startNs < BigInt(rule.since) * 1_000_000n) return true
  const nowNs = BigInt(nowMs) * 1_000_000n
  const told = statuses.filter(
    one => one.gate === rule.gate && fold(rule.gate, one.status, words) !== 'no_answer',
  )
  return told.some((one, index) => {
    const folded = fold(rule.gate, one.status, words)
    if (!(rule.allows as readonly string[]).includes(folded)) return false
    const next = told[index + 1]
    const ends = [one.until, next?.at].flatMap(text => (text == null ? [] : [BigInt(text)]))
    const from = BigInt(one.at) > startNs ? BigInt(one.at) : startNs
    return from <= nowNs && ends.every(end => from < end)
  })
}
