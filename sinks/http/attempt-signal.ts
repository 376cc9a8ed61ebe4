// The signal of one attempt, which also knows by the clock when the attempt is over.
//
// A process that was frozen (SIGSTOP, a suspended machine) finds on waking up what it was about to do, before the timer of a signal fires.
// Meanwhile another process may have taken its connection over and looked for its records. So what would write at the receiver
// asks `isOver` at the last moment: pipeline/deliver believes that a record is absent only after the end of the attempt.
// The signal of a Deadline (sinks/deadline.ts) is such a one.

export interface AttemptSignal extends AbortSignal {
  /** Epoch milliseconds; absent: nothing but the signal itself ends it. */
  readonly endsAtMs?: number
}

export function isOver(signal: AttemptSignal): boolean {
  return signal.aborted || (signal.endsAtMs !== undefined && Date.now() > signal.endsAtMs)
}
