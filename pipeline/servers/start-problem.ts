// Why a start is refused before anything runs: a stable code, and what to do about it.

export class StartProblem extends Error {
  override readonly name = 'StartProblem'
  readonly code:
    | 'state_directory_in_use'
    | 'state_directory_not_lockable'
    | 'state_directory_not_ours'
    | 'port_in_use'
    | 'address_not_usable'
  /** For programs: who holds what. */
  readonly facts: Readonly<Record<string, unknown>>

  constructor(code: StartProblem['code'], detail: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(detail)
    this.code = code
    this.facts = facts
  }
}
