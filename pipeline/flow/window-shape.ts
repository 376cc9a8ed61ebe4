// The shape of a freeze window, in the configuration and in a request, and what no shape says: that it can be open, and in a
// time zone that there is. Loads nothing: every command reads it.

import type { z as Zod } from 'zod'

/** A local time of each month: day 1 to 31, or -1 (the last day) to -31. */
export interface MonthlyTime {
  readonly day: number
  /** HH:MM */
  readonly at: string
}

interface WindowTerms {
  readonly name: string
  /** Only what belongs to this legal entity. Absent: everything. */
  readonly entity?: string | undefined
  /** `read_only`: nothing leaves; `frozen`: no billing run is taken either. */
  readonly mode: 'read_only' | 'frozen'
  readonly reason: string
}

export interface WindowOnce extends WindowTerms {
  /** RFC 3339. */
  readonly from: string
  readonly until: string
}

export interface WindowEveryMonth extends WindowTerms {
  readonly time_zone: string
  readonly every_month: { readonly from: MonthlyTime; readonly until: MonthlyTime }
}

export type FreezeWindow = WindowOnce | WindowEveryMonth

export interface WindowFault {
  readonly path: readonly string[]
  readonly message: string
}

/** Both kinds of windows as plain shapes. */
export function windowShapes(z: typeof Zod) {
  const terms = {
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,39}$/, 'is up to 40 of a-z, 0-9, _ and -'),
    entity: z.string().min(1).max(256).optional(),
    mode: z.enum(['read_only', 'frozen']).default('frozen'),
    reason: z.string().trim().min(1).max(500).default('freeze window'),
  }
  const instant = z.iso.datetime({
    offset: true,
    error: 'is an instant with an offset: 2026-12-24T00:00:00Z',
  })
  const monthly = z.strictObject({
    day: z.int().min(-31).max(31),
    at: z
      .string()
      .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'is a time of day: 18:00')
      .default('00:00'),
  })
  return {
    once: z.strictObject({ ...terms, from: instant, until: instant }),
    everyMonth: z.strictObject({
      ...terms,
      time_zone: z
        .string()
        .min(1)
        .max(64)
        .meta({ examples: ['Europe/Berlin'] }),
      every_month: z.strictObject({ from: monthly, until: monthly }),
    }),
  }
}

/** Reads a window. Its keys say which kind it is meant to be, so that each fault has its own path. */
export function windowReader(z: typeof Zod) {
  const { once, everyMonth } = windowShapes(z)
  return z.unknown().transform((value, context): FreezeWindow => {
    const isMonthly = typeof value === 'object' && value !== null && 'every_month' in value
    const parsed = (isMonthly ? everyMonth : once).safeParse(value)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues)
      context.addIssue({ ...issue } as Parameters<typeof context.addIssue>[0])
    return z.NEVER
  })
}

/** The same, with what no shape says. */
export function freezeWindowSchema(z: typeof Zod) {
  return windowReader(z).superRefine((window, context) => {
    for (const { path, message } of windowFaults(window))
      context.addIssue({ code: 'custom', path: [...path], message })
  })
}

export function windowFaults(window: FreezeWindow): readonly WindowFault[] {
  if (!('every_month' in window)) {
    const isEmpty = Date.parse(window.from) >= Date.parse(window.until)
    return isEmpty ? [{ path: ['until'], message: 'is not after from' }] : []
  }
  const { from, until } = window.every_month
  const faults: WindowFault[] = []
  if (!isTimeZone(window.time_zone))
    faults.push({ path: ['time_zone'], message: 'is no time zone, such as Europe/Berlin' })
  for (const [name, { day }] of [['from', from] as const, ['until', until] as const]) {
    const message = 'is 1 to 31, or -1 (the last day) to -31'
    if (day === 0) faults.push({ path: ['every_month', name, 'day'], message })
  }
  if (from.day === until.day && from.at === until.at)
    faults.push({ path: ['every_month', 'until'], message: 'is the same as from' })
  return faults
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
