// The kinds of exceptions, and the answers to them. Loads nothing, since settings and commands name them.

export const exceptionKinds = [
  'dead_letter',
  'parked',
  'unmetered',
  'refused_record',
  'refused_delivery',
  'waiting_arrival',
  'customer_status',
  'conflict',
  'payment',
  'tax',
] as const
export type ExceptionKind = (typeof exceptionKinds)[number]

/** `undone`: the exception is as open as if nobody had answered. */
export const resolutions = ['redriven', 'discarded', 'undone'] as const
export type Resolution = (typeof resolutions)[number]

/** `open`: nobody has answered it, and it has not mended itself. `freed`: it was taken back without a person's act. */
export const exceptionStates = ['open', 'redriven', 'discarded', 'freed'] as const
export type ExceptionState = (typeof exceptionStates)[number]
