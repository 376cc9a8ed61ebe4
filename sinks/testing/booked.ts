// What a fake receiver has of ours, in its own terms: its documents in the order in which it took them, with the amounts
// that it would add up. For counting what a run of the fault harness left there.

export interface BookedLine {
  /** ISO 4217; empty where a receiver takes quantities and prices them itself. */
  readonly currency: string
  /** The receiver's account; of a billing system what it charges: its customer, or the subscription. */
  readonly account: string
  /** A decimal: debits are positive. */
  readonly amount: string
}

export interface BookedDocument {
  /** Our key, as the document contains it. */
  readonly key: string
  readonly lines: readonly BookedLine[]
}

/** A debit and a credit, as texts or numbers of JSON, as one amount with a sign. Zero and absent are alike. */
export function signed(debit: number | string | undefined, credit: number | string | undefined): string {
  return debit === undefined || debit === '' || Number(debit) === 0 ? negative(credit ?? 0) : String(debit)
}

export function negative(amount: number | string): string {
  const text = String(amount)
  return text.startsWith('-') ? text.slice(1) : `-${text}`
}
