// Dispositions: what became of events, and the conservation law over their counts. Contract section 4.

export const dispositions = [
  'rated',
  'applied',
  'duplicate',
  'conflicting',
  'parked',
  'dead_lettered',
  'unmetered',
] as const

export type Disposition = (typeof dispositions)[number]

/** Counts of events; in one commit they are differences and may be negative, except `received`. */
export type DispositionCounts = Record<'received' | Disposition, number>

export function zeroDispositions(): DispositionCounts {
  return {
    received: 0,
    rated: 0,
    applied: 0,
    duplicate: 0,
    conflicting: 0,
    parked: 0,
    dead_lettered: 0,
    unmetered: 0,
  }
}

/** The conservation law (I5). Returns `received` minus the sum of the dispositions: 0 when the law holds. */
export function conservationGap(counts: DispositionCounts): number {
  return dispositions.reduce((gap, disposition) => gap - counts[disposition], counts.received)
}
