// The paces of random histories: the billing periods of a catalog, and the step that instants are multiples of, so that periods are cut often.

export const dayMs = 86_400_000

const times = (count: number, unit: string) => ({ count, unit })

export interface Pace {
  /** Of plans. */
  readonly periods: readonly unknown[]
  /** Of prices that have one of their own. */
  readonly own: readonly unknown[]
  /** The step that the instants of a history are multiples of. */
  readonly stepMs: number
}

export const paces: readonly Pace[] = [
  {
    periods: ['month', 'month', times(1, 'quarter'), 'year'],
    own: ['year', 'month', times(3, 'month'), times(2, 'week'), times(45, 'day')],
    stepMs: 2 * dayMs,
  },
  { periods: ['day', 'week', 'month'], own: [times(3, 'day'), 'month', times(7, 'day')], stepMs: dayMs / 8 },
  {
    periods: ['week', 'month', 'year'],
    own: [times(2, 'week'), 'week', times(30, 'day')],
    stepMs: (2 * dayMs) / 3,
  },
  {
    periods: ['quarter', times(2, 'quarter'), 'quarter'],
    own: [times(3, 'month'), 'year', 'month'],
    stepMs: 6 * dayMs,
  },
  {
    periods: ['year', 'quarter'],
    own: [times(4, 'quarter'), times(2, 'year'), times(7, 'week')],
    stepMs: 20 * dayMs,
  },
]
