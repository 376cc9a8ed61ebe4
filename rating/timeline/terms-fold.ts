// Folds the changes in effect into the terms in force, field by field, for the timeline. Contract section 2.
// Invariants: a field has the value given by the highest sequence that set it, in whatever order changes take effect;
// a change of plan drops the overrides that lower sequences set.
// Each change is compared once with each field that it sets, so that thousands of changes, in any order of their
// sequences, cost little. Only plan and overrides depend on the sequences in between: see `#refoldPlan`.

import type { Price } from '../../schemas/catalog/catalog.js'
import type { Commitment } from '../../schemas/lifecycle/commitment.js'
import type { SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { endlessNs } from '../../schemas/time.js'

export interface ResolvedTerms {
  /** The subscription version: the highest sequence in effect. */
  readonly sequence: number
  readonly status: 'active' | 'suspended' | 'cancelled'
  readonly plan: string
  readonly planVersion: number
  readonly quantities: ReadonlyMap<string, Scaled>
  readonly priceOverrides: readonly Price[]
  readonly effectiveUntilNs?: bigint
  readonly entityId: string
  readonly contractId: string
  /** Of the change that set this version, else of the `created`. */
  readonly correlationId: string
  readonly billingAnchorNs: bigint
  /** Of the `created`: what discounts are counted from, whatever the anchor becomes. */
  readonly firstAnchorNs: bigint
  readonly timezone: string
  readonly trialUntilNs?: bigint
  /** Codes in the order in which they are taken off; absent: none. */
  readonly coupons?: readonly string[]
  /** Absent: none. */
  readonly commitments?: readonly Commitment[]
  /** Of the `created`, or of the newest `renewed`: when the term began that ends at `effectiveUntilNs`. */
  readonly termFromNs: bigint
}

type Status = ResolvedTerms['status']

const noPrices: readonly Price[] = []

/** A value and the sequence that set it. */
class Field<T> {
  value: T
  #sequence = Number.NEGATIVE_INFINITY

  constructor(initial: T) {
    this.value = initial
  }

  /** Returns whether the value is now in force. Undefined sets nothing. */
  set(value: T | undefined, sequence: number): boolean {
    if (value === undefined || sequence < this.#sequence) return false
    this.value = value
    this.#sequence = sequence
    return true
  }
}

export class TermsFold {
  #isCreated = false
  #sequence = Number.NEGATIVE_INFINITY
  readonly #status = new Field<Status>('active')
  readonly #effectiveUntilNs = new Field<bigint | undefined>(undefined)
  readonly #trialUntilNs = new Field<bigint | undefined>(undefined)
  readonly #coupons = new Field<readonly string[] | undefined>(undefined)
  readonly #commitments = new Field<readonly Commitment[] | undefined>(undefined)
  readonly #termFromNs = new Field(0n)
  readonly #entityId = new Field('')
  readonly #contractId = new Field('')
  readonly #correlationId = new Field('')
  readonly #correlationIdOfCreated = new Field('')
  readonly #billingAnchorNs = new Field(0n)
  readonly #firstAnchorNs = new Field(0n)
  readonly #timezone = new Field('UTC')
  readonly #quantityOf = new Map<string, Field<Scaled>>()
  #quantities: ReadonlyMap<string, Scaled> = new Map()
  /** The changes in effect that set plan, version or overrides, in ascending sequence. */
  readonly #planChanges: SubscriptionChange[] = []
  #plan = ''
  #planVersion = 0
  #priceOverrides = noPrices

  takeEffect(change: SubscriptionChange): void {
    const { sequence } = change
    const isCreated = change.kind === 'created'
    this.#isCreated ||= isCreated
    this.#sequence = Math.max(this.#sequence, sequence)
    this.#status.set(statusSetBy(change), sequence)
    this.#effectiveUntilNs.set(change.effectiveUntilNs, sequence)
    this.#trialUntilNs.set(change.trialUntilNs, sequence)
    this.#coupons.set(change.coupons, sequence)
    this.#commitments.set(change.commitments, sequence)
    const beginsTerm = isCreated || change.kind === 'renewed'
    this.#termFromNs.set(beginsTerm ? change.effectiveFromNs : undefined, sequence)
    this.#entityId.set(change.entityId, sequence)
    this.#contractId.set(change.contractId, sequence)
    this.#correlationId.set(change.correlationId, sequence)
    if (isCreated) this.#correlationIdOfCreated.set(change.correlationId, sequence)
    // Left out of a `created`, these two have a default, which it sets.
    const anchorNs = change.billingAnchorNs ?? (isCreated ? change.effectiveFromNs : undefined)
    this.#billingAnchorNs.set(anchorNs, sequence)
    if (isCreated) this.#firstAnchorNs.set(anchorNs, sequence)
    this.#timezone.set(change.timezone ?? (isCreated ? 'UTC' : undefined), sequence)
    this.#setQuantities(change)
    this.#setPlan(change)
  }

  /** Charges and movements from that instant on have this id, also where nothing is in force. */
  get correlationId(): string {
    return this.#correlationId.value || this.#correlationIdOfCreated.value
  }

  /** Undefined when nothing is in force at that instant, to which all that has taken effect belongs. */
  termsInForce(atNs: bigint): ResolvedTerms | undefined {
    const effectiveUntilNs = this.#effectiveUntilNs.value
    const trialUntilNs = this.#trialUntilNs.value
    const coupons = this.#coupons.value
    const commitments = this.#commitments.value
    if (!this.#isCreated || this.#status.value === 'cancelled') return undefined
    if (effectiveUntilNs !== undefined && effectiveUntilNs <= atNs) return undefined
    return {
      sequence: this.#sequence,
      status: this.#status.value,
      plan: this.#plan,
      planVersion: this.#planVersion,
      quantities: this.#quantities,
      priceOverrides: this.#priceOverrides,
      entityId: this.#entityId.value,
      contractId: this.#contractId.value,
      correlationId: this.correlationId,
      billingAnchorNs: this.#billingAnchorNs.value,
      firstAnchorNs: this.#firstAnchorNs.value,
      timezone: this.#timezone.value,
      ...(effectiveUntilNs === undefined || effectiveUntilNs === endlessNs ? {} : { effectiveUntilNs }),
      ...(trialUntilNs === undefined ? {} : { trialUntilNs }),
      ...(coupons === undefined || coupons.length === 0 ? {} : { coupons }),
      ...(commitments === undefined || commitments.length === 0 ? {} : { commitments }),
      termFromNs: this.#termFromNs.value,
    }
  }

  /** The quantity of each price is a field of its own. The map in force is never changed in place. */
  #setQuantities({ quantities, sequence }: SubscriptionChange): void {
    const changed = new Map<string, Scaled>()
    for (const [price, quantity] of quantities ?? []) {
      const field = this.#quantityOf.get(price) ?? new Field(quantity)
      this.#quantityOf.set(price, field)
      if (field.set(quantity, sequence)) changed.set(price, quantity)
    }
    if (changed.size > 0) this.#quantities = new Map([...this.#quantities, ...changed])
  }

  #setPlan(change: SubscriptionChange): void {
    const { plan, planVersion, priceOverrides, sequence } = change
    if (plan === undefined && planVersion === undefined && priceOverrides === undefined) return
    const changes = this.#planChanges
    if ((changes.at(-1)?.sequence ?? sequence) <= sequence) {
      changes.push(change)
      this.#applyPlan(change)
      return
    }
    const above = changes.findIndex(other => other.sequence > sequence)
    changes.splice(above, 0, change)
    this.#refoldPlan()
  }

  /** After a change with a lower sequence: whether later ones change the plan depends on it, so all are applied again. */
  #refoldPlan(): void {
    this.#plan = ''
    this.#planVersion = 0
    this.#priceOverrides = noPrices
    for (const change of this.#planChanges) this.#applyPlan(change)
  }

  #applyPlan(change: SubscriptionChange): void {
    const { plan = this.#plan, planVersion = this.#planVersion } = change
    if (plan !== this.#plan || planVersion !== this.#planVersion) this.#priceOverrides = noPrices
    this.#plan = plan
    this.#planVersion = planVersion
    if (change.priceOverrides !== undefined) this.#priceOverrides = change.priceOverrides
  }
}

/** Undefined where the change leaves the status as it is. */
function statusSetBy(change: SubscriptionChange): Status | undefined {
  switch (change.kind) {
    case 'created':
    case 'resumed':
      return 'active'
    case 'suspended':
      return 'suspended'
    case 'cancelled':
      return 'cancelled'
    case 'amended':
    case 'renewed':
      return undefined
    default:
      return unknownKind(change.kind)
  }
}

function unknownKind(kind: never): never {
  throw new Error(`unknown change ${String(kind)}`)
}
