// Field types that the wire shapes share, as zod schemas: decimals, instants, names, currencies, whole
// numbers.
// Invariant: a refusal carries the stable code of rejection.ts in its issue's `params`.

import { z } from 'zod'
import { maxAttributeLength } from '../identifiers.js'
import { minorUnits } from '../money/currency.js'
import { parseDecimal, type Scaled } from '../money/decimal.js'
import { ExactNumber } from '../money/exact-number.js'
import { nearestHint, shownName } from '../nearest-name.js'
import { pointerTo, type Rejection, type RejectionCode, rejected } from '../rejection.js'
import { endlessNs, instantFault, instantFaultText, parseBoundary, parseEnd, parseInstant } from '../time.js'

type Refuse = {
  addIssue: (issue: { code: 'custom'; message: string; params: { code: RejectionCode } }) => void
}

function refuse(context: Refuse, code: RejectionCode, message: string): typeof z.NEVER {
  context.addIssue({ code: 'custom', message, params: { code } })
  return z.NEVER
}

/** `unknown` to zod, because an ExactNumber is a JSON number that is not a JavaScript number. */
const stringOrNumber = z.unknown().meta({ anyOf: [{ type: 'string' }, { type: 'number' }] })

/** A decimal string, or a JSON number read by the digits of its text; a `Scaled` in memory. */
export const decimalField = stringOrNumber
  .transform((value, context): Scaled => {
    if (typeof value !== 'string' && typeof value !== 'number' && !(value instanceof ExactNumber)) {
      return refuse(context, 'invalid_data', 'is a decimal number in a string, such as "0.0025"')
    }
    const result = parseDecimal(value)
    if (result.kind === 'ok') return result.value
    const isRange = result.kind === 'value_out_of_range'
    return refuse(
      context,
      result.kind,
      isRange ? 'has more than 26 digits before the point or 12 after it' : 'is not a decimal number',
    )
  })
  .meta({ description: 'Decimal: at most 26 digits before the point and 12 after it, taken as they stand.' })

export const quantityField = decimalField.transform((value, context) =>
  value < 0n ? refuse(context, 'negative_value', 'is negative') : value,
)

export const positiveField = decimalField.transform((value, context) =>
  value <= 0n ? refuse(context, 'value_out_of_range', 'is not greater than 0') : value,
)

/** A string, number or boolean; it is compared as text. */
export const comparableField = z.union([z.string(), z.number(), z.boolean()])

/** RFC 3339 with an offset, to the nanosecond, from 1970 to before 2200; epoch nanoseconds in memory. */
export const instantField = z
  .string()
  .transform((text, context) => {
    const instantNs = parseInstant(text)
    if (instantNs !== undefined) return instantNs
    const fault = instantFault(text)
    return refuse(context, fault, instantFaultText(fault))
  })
  .meta({ format: 'date-time' })

/** A boundary of a service period or of a part of one: it may lie up to a year after 2199. */
export const boundaryField = z
  .string()
  .transform((text, context) => {
    const instantNs = parseBoundary(text)
    if (instantNs !== undefined) return instantNs
    return instantFault(text) === 'invalid_time'
      ? refuse(context, 'invalid_time', instantFaultText('invalid_time'))
      : refuse(context, 'time_out_of_range', 'is before 1970-01-01 or more than a year after 2199')
  })
  .meta({ format: 'date-time' })

/** An end: null, or an instant after the latest accepted one, means none: `endlessNs` in memory. */
export const endField = z
  .string()
  .nullable()
  .transform((text, context) => {
    const instantNs = text === null ? endlessNs : parseEnd(text)
    if (instantNs !== undefined) return instantNs
    const fault = instantFault(text ?? '')
    return refuse(context, fault, instantFaultText(fault))
  })
  .meta({ format: 'date-time' })

export const nameField = z
  .string()
  .min(1)
  .refine(isShortText, { message: `is a text of 1 to ${maxAttributeLength} characters` })
  .meta({ maxLength: maxAttributeLength })

function isShortText(text: string): boolean {
  // A character has at most two UTF-16 units, so a giant text is refused without counting its characters.
  if (text.length > maxAttributeLength * 2 || text.includes('\u0000')) return false
  return text.length <= maxAttributeLength || Array.from(text).length <= maxAttributeLength
}

export const currencyField = z
  .string()
  .refine(code => minorUnits(code) !== undefined, { message: 'is not a currency of ISO 4217' })
  .meta({ description: 'ISO 4217 code of a currency that can be billed.' })

/** A whole number that a double holds exactly; the refusal of any other value says so. */
export function wholeField(min: number, max: number) {
  const error = ({ input }: { readonly input?: unknown }) =>
    input === undefined ? undefined : `is a whole number from ${min} to ${max}`
  return z.int({ error }).min(min).max(max)
}

export const planVersionField = wholeField(1, 2 ** 32 - 1)

const knownTimezones = new Set<string>(['UTC'])

/** An IANA name; an offset is refused, because it does not follow the clock changes of any place. */
export const timezoneField = z
  .string()
  .refine(isTimezone, { message: 'is not a time zone of the IANA database' })

export function isTimezone(name: string): boolean {
  if (knownTimezones.has(name)) return true
  if (!/^[A-Za-z]/.test(name) || name.length > 64) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
  knownTimezones.add(name)
  return true
}

/**
 * An object with these fields only: an unknown name is refused with the nearest known one, so that a misspelt
 * field is not mistaken for an absent one. `refusals`: known names that are refused here, and why.
 */
export function closedObject<S extends z.ZodRawShape>(
  shape: S,
  refusals: Readonly<Record<string, string>> = {},
) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: issue => {
      const [name] = issue.code === 'unrecognized_keys' ? issue.keys : []
      if (name === undefined) return undefined
      return Object.hasOwn(refusals, name) ? refusals[name] : `is not known${nearestHint(name, known)}`
    },
  })
}

/** The first issue as a rejection below `pointer`; an unknown (misspelt) name before a missing one. */
export function rejectionOfIssues(error: z.ZodError, pointer: string): Rejection {
  const issue = error.issues.find(one => one.code === 'unrecognized_keys') ?? error.issues[0]
  if (issue === undefined) return rejected('invalid_data', 'The data is not valid.', pointer).rejection
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...issue.path, ...unknown].map(key =>
    typeof key === 'number' ? key : shownName(String(key)),
  )
  const at = path.reduce<string>(pointerTo, pointer)
  const name = path.length === 0 ? 'The data' : `The field ${path.join('.')}`
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
  const code: RejectionCode =
    issue.code === 'custom' ? (issue.params?.['code'] ?? 'invalid_data') : 'invalid_data'
  const detail = missing ? `${name} is missing.` : `${name}: ${issue.message}.`
  return rejected(code, detail, at).rejection
}

/** An object's type with its undefined members optional instead. */
export type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** The object without its undefined members, so that fields the sender left out stay absent. */
export function present<T extends object>(object: T): Present<T> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Present<T>
}
