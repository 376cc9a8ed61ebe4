// The port by which a source asks which of ours another system means by its id. pipeline/identities answers.

export const identityObjects = ['customer', 'plan', 'price', 'entity'] as const
export type IdentityObject = (typeof identityObjects)[number]

/** The system whose ids are our own: what it maps is a customer that was merged into another. */
export const ownSystem = 'weir'

export interface AskedIdentity {
  readonly object: IdentityObject
  /** Whose id it is: `crm`, `billing`, `erp`, or another name that the identities know. */
  readonly system: string
  readonly id: string
}

/** Several of ours claim one id of theirs: nobody guesses which is meant. */
export interface ClaimedIdentity {
  readonly claimedBy: readonly string[]
}

export type FoundIdentity = string | undefined | ClaimedIdentity

export interface IdentityLookup {
  /** Ours, by place; undefined where nobody has said what it is. Rejects when the store does not answer. */
  ours(asked: readonly AskedIdentity[]): Promise<readonly FoundIdentity[]>
  /**
   * Every customer of ours that an id has ever meant, by place: those of today and those of before a move, a merge or a split, so
   * that what was told of one of them is found again.
   */
  ever(asked: readonly AskedIdentity[]): Promise<readonly (readonly string[])[]>
}
