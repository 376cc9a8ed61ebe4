// The three ways in which running a partition ends early. The engine acts on the class and shows the code.

/** Nothing will change until somebody acts: the partition stops and says what to do. Codes are stable. */
export class PartitionFailure extends Error {
  override readonly name = 'PartitionFailure'
  readonly code: PartitionFailureCode

  constructor(code: PartitionFailureCode, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.code = code
  }
}

export type PartitionFailureCode =
  /** An input stream is not the one that the checkpoint read, or no longer holds what is to be read next. */
  | 'input_recreated'
  | 'input_purged'
  | 'input_behind_checkpoint'
  /** What was there once is gone, or is another one of that name: never a reason to begin anew. */
  | 'genesis_missing'
  | 'ledger_recreated'
  | 'checkpoint_missing'
  /** The ledger cannot give back the state. */
  | 'checkpoint_unreadable'
  | 'snapshot_missing'
  | 'ledger_incomplete'
  /** The broker will never take this commit. */
  | 'commit_too_large'
  | 'commit_refused'
  /** The same input fails again and again. */
  | 'processing_failed'

/** Somebody else owns the partition now: let go, write nothing. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

/** Trouble outside, or a worker that died: drop what is in memory, claim again and go on from the checkpoint. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError'
}

/** The worker could not open or process. Tried again from the ledger a few times; then `processing_failed`. */
export class ProcessingError extends Error {
  override readonly name = 'ProcessingError'
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
