// What a key may do, and who a caller is. Contract section 7, keys.
// Invariant: a scope allows what it names and nothing else; only `admin` includes the others.

export const scopes = [
  'ingest:usage',
  'ingest:lifecycle',
  'ingest:catalog',
  'read',
  'billing',
  'operate',
  'approve',
  'reveal',
  'admin',
] as const

export type Scope = (typeof scopes)[number]

export const scopeMeanings: Readonly<Record<Scope, string>> = {
  'ingest:usage': 'send usage',
  'ingest:lifecycle': 'send changes of customers and subscriptions, invoices and payments',
  'ingest:catalog': 'publish prices and exchange rates',
  read: 'see runs, batches, reconciliation, metrics, and what became of events',
  billing: 'create billing runs, see them and acknowledge their batches',
  operate: 'mend, redrive and discard what failed; replay; pause feeds and connections, and change the mode',
  approve: 'release or reject what a rule holds back',
  reveal: 'see personal data in the clear',
  admin: 'all of these, and manage keys',
}

/** An event request needs one of these; each event needs the scope of its stream. */
export const ingestScopes: readonly Scope[] = ['ingest:usage', 'ingest:lifecycle', 'ingest:catalog']

export interface Caller {
  /** Undefined for a caller without a key. */
  readonly keyId: string | undefined
  /** The key's name, beside its id. */
  readonly keyName?: string
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
