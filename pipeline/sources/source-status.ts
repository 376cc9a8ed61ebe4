// How a source stands, for `weir sources ls`, metrics and readiness.

export interface SourceStatus {
  readonly source: string
  readonly kind: string
  /** Everything up to this sequence of ARRIVALS has an outcome. */
  readonly position: number
  readonly arrivals: number
  readonly waiting: number
  readonly behind: number
  readonly revision: number
  /** Why nothing is being mapped, or what the last try ended with. */
  readonly trouble: { readonly code: string; readonly detail: string } | undefined
  /** Of a source that is listened to. */
  readonly listening?: ListenStatus
}

export const listenStates = ['listening', 'standby', 'held', 'trouble'] as const

export interface ListenStatus {
  /** `standby`: another process listens, or may. `held`: Weir is not normal, or keeps no more. */
  readonly state: (typeof listenStates)[number]
  /** When this process kept something or the source last said where it is. */
  readonly heardAtMs: number | undefined
  readonly trouble: { readonly code: string; readonly detail: string } | undefined
}
