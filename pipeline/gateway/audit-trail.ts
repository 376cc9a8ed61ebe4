// The port through which every part records what a person, a key or the process does. The feature `audit` implements it.
// Invariant: a route that changes something names its act here before the act takes effect, so that nothing is done
// that is not on record. An entry whose act failed afterwards is followed by one that says so, where that is known.

import type { Caller } from './scopes.js'

export interface AuditAct {
  /** Who: the caller of the route, or Weir by itself. */
  readonly caller: Caller | 'process'
  /** Dotted snake case, the thing first: `key.created`, `billing_run.created`, `mode.changed`. */
  readonly act: string
  /** To what. */
  readonly object: { readonly kind: string; readonly id: string }
  /** As whoever did it gave it. */
  readonly reason?: string | undefined
  /** JSON values: what stood before and what stands after, as far as the act changes it. Never a secret. */
  readonly before?: unknown
  readonly after?: unknown
}

export interface AuditTrail {
  /**
   * Resolves when the entry is on disk. Throws a `Problem` of 503 when it cannot be written: then the act must not be
   * done.
   */
  record(act: AuditAct): Promise<void>
}

/** The trail of whoever publishes prices. */
export interface PublishingTrail extends AuditTrail {
  /**
   * Records the catalogs and exchange rates in NDJSON that is about to be published on CATALOG: `catalog.published`,
   * `fx_rate.published`, with what was published before. Of Weir itself only what changes something.
   */
  published(caller: Caller | 'process', ndjson: Uint8Array): Promise<void>
}
