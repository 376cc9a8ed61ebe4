// Why a start is refused: a stable code, what to do about it, and whether the configuration is at fault.

export type StartProblemCode =
  | 'state_directory_in_use'
  | 'state_directory_not_lockable'
  | 'state_directory_not_ours'
  | 'port_in_use'
  | 'address_not_usable'
  | 'file_unreadable'
  | 'nats_login_refused'
  | 'nats_tls_refused'
  | 'clickhouse_login_refused'
  | 'clickhouse_tls_refused'

/** Only another configuration can help: a start that is tried again as it is fails again. */
const ofConfiguration: ReadonlySet<string> = new Set([
  'file_unreadable',
  'nats_login_refused',
  'nats_tls_refused',
  'clickhouse_login_refused',
  'clickhouse_tls_refused',
  'partition_count_differs',
  'replicas_not_possible',
])

export function isOfConfiguration(code: string): boolean {
  return ofConfiguration.has(code)
}

export class StartProblem extends Error {
  override readonly name = 'StartProblem'
  readonly code: StartProblemCode
  /** For programs: who holds what. */
  readonly facts: Readonly<Record<string, unknown>>

  constructor(code: StartProblemCode, detail: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(detail)
    this.code = code
    this.facts = facts
  }
}

/** The start was given up because somebody asked for the end. */
export class StartAborted extends Error {
  override readonly name = 'StartAborted'
}

export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StartAborted('the start was ended by a signal')
}
