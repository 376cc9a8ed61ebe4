// The errors with which running a partition ends early. The engine acts on the class and shows the code.

/** An operator has to act: the partition stops, and the error says what to do. Codes are stable. */
export class PartitionFailure extends Error {
  override readonly name = 'PartitionFailure'
  readonly code: PartitionFailureCode

  constructor(code: PartitionFailureCode, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.code = code
  }
}

export type PartitionFailureCode =
  /** An input stream is not the one of the checkpoint, or no longer holds the message to read next. */
  | 'input_recreated'
  | 'input_purged'
  | 'input_behind_checkpoint'
  /** The genesis record, LEDGER or the checkpoint was lost or replaced; the partition never starts anew. */
  | 'genesis_missing'
  | 'ledger_recreated'
  | 'checkpoint_missing'
  /** The state cannot be restored from the ledger. */
  | 'checkpoint_unreadable'
  | 'snapshot_missing'
  | 'ledger_incomplete'
  /** The broker will never take this commit. */
  | 'commit_too_large'
  | 'commit_refused'
  /** The same input fails again and again. */
  | 'processing_failed'

/** Another session owns the partition now: stop working on it and write nothing. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

/** A failure outside, or a worker died: drop the memory, claim again, continue from the checkpoint. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError'
}

/** The worker failed to open the state or to process. Retried from the ledger; then `processing_failed`. */
export class ProcessingError extends Error {
  override readonly name = 'ProcessingError'
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Of the broker's clients; the message is "timeout".
  return error.name === 'TimeoutError' ? 'the broker did not answer in time' : error.message
}
