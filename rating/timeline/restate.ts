// Restating MRR: the movements to append when a customer's net movements differ from those emitted.
// Invariants: nothing emitted is edited; after appending, the sum of everything ever emitted equals the new net list, at
// every instant and for every (subscription, currency, instant, kind); unchanged movements are not repeated.

import type { MrrMovement } from '../../schemas/billing/mrr-movement.js'
import { compositeKey, stableId } from '../../schemas/identifiers.js'
import { compareInstants, instantKey } from '../../schemas/time.js'

/**
 * `before` and `after` are net lists: at most one movement per subscription, currency and instant. What changed in kind,
 * amount or correlation id is taken back in its own kind, then stated anew. `causeId` names the change that made the difference, once:
 * the ids of what is appended follow from it, so that a repeated attempt gives the same ids.
 */
export function restate(
  before: readonly MrrMovement[],
  after: readonly MrrMovement[],
  causeId: string,
): MrrMovement[] {
  const known = byPlace(before)
  const wanted = byPlace(after)
  const reversals = before
    .filter(movement => !isSame(movement, wanted.get(placeOf(movement))))
    .map(movement => reversalOf(movement, causeId))
  const additions = after
    .filter(movement => !isSame(movement, known.get(placeOf(movement))))
    .map(movement => ({ ...movement, movementId: idOf(movement, 'stated', causeId) }))
  // The sort is stable: at one instant what is taken back comes before what is stated.
  return [...reversals, ...additions].sort((a, b) => compareInstants(a.effectiveAtNs, b.effectiveAtNs))
}

function byPlace(movements: readonly MrrMovement[]): Map<string, MrrMovement> {
  return new Map(movements.map(movement => [placeOf(movement), movement]))
}

function placeOf(movement: MrrMovement): string {
  return compositeKey(movement.subscriptionId, movement.currency, instantKey(movement.effectiveAtNs))
}

/** The customer's total before may differ: it was right when emitted, and only amounts are summed. */
function isSame(a: MrrMovement, b: MrrMovement | undefined): boolean {
  return b !== undefined && a.kind === b.kind && a.amount === b.amount && a.correlationId === b.correlationId
}

function reversalOf(movement: MrrMovement, causeId: string): MrrMovement {
  return {
    ...movement,
    movementId: idOf(movement, 'taken back', causeId),
    amount: -movement.amount,
    mrrBefore: movement.mrrAfter,
    mrrAfter: movement.mrrBefore,
  }
}

function idOf(movement: MrrMovement, act: 'stated' | 'taken back', causeId: string): string {
  const { customerId, subscriptionId, currency, effectiveAtNs, kind, amount } = movement
  return stableId(
    'mv',
    customerId,
    subscriptionId,
    currency,
    instantKey(effectiveAtNs),
    kind,
    amount.toString(),
    act,
    causeId,
  )
}
