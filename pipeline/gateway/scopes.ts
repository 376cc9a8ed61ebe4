// What a key may do, and who a caller is. Contract section 7, keys.
// Invariant: a scope allows what it names and nothing else; only `admin` includes the others.

/**
 * - `ingest:usage`: send usage. `ingest:lifecycle`: send changes of customers and subscriptions, invoices, payments.
 *   `ingest:catalog`: publish prices and exchange rates.
 * - `read`: see runs, batches, reconciliation, metrics.
 * - `billing`: create billing runs and acknowledge batches.
 * - `admin`: all of these, and manage keys.
 */
export const scopes = [
  'ingest:usage',
  'ingest:lifecycle',
  'ingest:catalog',
  'read',
  'billing',
  'admin',
] as const

export type Scope = (typeof scopes)[number]

/** An event request needs one of these; each event needs the scope of its stream. */
export const ingestScopes: readonly Scope[] = ['ingest:usage', 'ingest:lifecycle', 'ingest:catalog']

export interface Caller {
  /** Undefined for a caller without a key. */
  readonly keyId: string | undefined
  readonly scopes: ReadonlySet<Scope>
}

/** The caller of a gateway that requires no keys. */
export const anybodyAllowed: Caller = { keyId: undefined, scopes: new Set<Scope>(['admin']) }

/** A caller without a key, on a route that needs none. */
export const unknownCaller: Caller = { keyId: undefined, scopes: new Set() }

/** A caller on this machine without a key: it may see what the `read` scope shows of health. */
export const localCaller: Caller = { keyId: undefined, scopes: new Set<Scope>(['read']) }

export function holds(caller: Caller, scope: Scope): boolean {
  return caller.scopes.has(scope) || caller.scopes.has('admin')
}
