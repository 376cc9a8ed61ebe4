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
}
