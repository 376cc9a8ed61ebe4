// The port to exceptions for parts that tell other systems of them: how many of each customer are open, and single ones by
// code and owner. pipeline/exceptions answers.

/** What waits for somebody because of one customer. */
export interface OpenOfCustomer {
  readonly count: number
  /** What it comes to, by currency: decimals. */
  readonly atStake: readonly { readonly currency: string; readonly amount: string }[]
  /** How many of them have no known amount. */
  readonly notKnown: number
  /** Of the one that failed last; '' where it has none. */
  readonly correlationId: string
}

/** One exception as other systems are told of it. */
export interface ToldException {
  readonly exceptionId: string
  readonly kind: string
  readonly code: string
  readonly detail: string
  readonly customerId: string
  readonly owner: string
  /** `open`, or how it was settled: `freed`, `discarded`, `redriven` and so on. */
  readonly state: string
  readonly firstAt: string
  readonly lastAt: string
  readonly correlationId: string
  /** The feed or connection that refused it; '' where none did. */
  readonly receiver: string
  /** The event, the record or the arrival that it is about, in words. */
  readonly about: string
  /** What to do, in words. */
  readonly next: string
  /** `12.50 EUR`; '' where it is not known. */
  readonly atStake: string
  /** Who settled it, and why; '' where nobody did. */
  readonly answer: string
}

export interface WantedExceptions {
  /** Empty: every code. */
  readonly codes: readonly string[]
  readonly owners: readonly string[]
}

export interface OpenExceptions {
  /** Without those that these connections made. */
  byCustomer(withoutReceivers: readonly string[]): Promise<ReadonlyMap<string, OpenOfCustomer>>
  /** The open ones, the oldest first, at most `most`. */
  open(wanted: WantedExceptions, most: number): Promise<readonly ToldException[]>
  /** These, as they are now; one that is not there any more is left out. */
  named(ids: readonly string[]): Promise<readonly ToldException[]>
}
