// A transform: steps, as data, that mend an event before it is redriven. It owns their shape and the reading of what came
// from outside; apply-transform.ts makes them.
// Invariant: every fault of a transform is told with its JSON pointer, and a name that is not known with the nearest
// known one; a transform with a fault does nothing at all.

import { z } from 'zod'
import { maxDepth } from '../../../schemas/json/json-text.js'
import { closedObject, nameField } from '../../../schemas/json/wire-fields.js'
import { nearestHint, shownName } from '../../../schemas/nearest-name.js'
import { pointerTo } from '../../../schemas/rejection.js'
import { instantFault, instantFaultText, parseInstant } from '../../../schemas/time.js'

/** Attributes of the event that a step may name beside what is below `/data`. */
export const attributeFields = ['/type', '/subject', '/subscriptionid'] as const

const fieldPointer = z.string().superRefine((pointer, context) => {
  const fault = fieldFault(pointer)
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
})

const when = z.enum(['always', 'missing', 'present']).default('always').meta({
  description: '`missing`: only where the field is absent or null; `present`: only where it is there',
})

const instant = z.string().refine(text => parseInstant(text) !== undefined, {
  error: ({ input }) => instantFaultText(instantFault(String(input))),
})

const duration = z.string().regex(/^-?PT(?=\d)(?:\d{1,6}H)?(?:\d{1,6}M)?(?:\d{1,9}S)?$/, {
  message: 'is a duration such as PT1H, -PT30M or PT1H15M20S',
})

const texts = z.array(z.string().min(1).max(64)).max(16)

const shapes = {
  /** Sets a field to a value. */
  set: { field: fieldPointer, value: z.unknown(), when },
  /** Gives a field another name; its value stays. */
  rename: { from: fieldPointer, to: fieldPointer },
  /** Replaces a value by the one that the table has for its text. */
  map: { field: fieldPointer, table: z.record(z.string(), z.unknown()), otherwise: z.unknown().optional() },
  /** Makes a number of a text, exactly; a text of a number; or cuts the blanks around a text. */
  cast: { field: fieldPointer, to: z.enum(['number', 'text', 'trimmed']), remove: texts.optional() },
  set_type: { type: nameField },
  set_customer: { customer: nameField },
  assign_subscription: { subscription: nameField },
  set_time: { time: instant },
  shift_time: { by: duration },
} as const

export type StepName = keyof typeof shapes
export const stepNames = Object.keys(shapes) as readonly StepName[]

const stepSchemas = Object.fromEntries(
  Object.entries(shapes).map(([name, shape]) => [name, closedObject({ step: z.literal(name), ...shape })]),
) as unknown as { readonly [N in StepName]: z.ZodType<Step<N>> }

type Step<N extends StepName> = { readonly step: N } & Readonly<z.output<z.ZodObject<(typeof shapes)[N]>>>

export type TransformStep = { [N in StepName]: Step<N> }[StepName]
export type Transform = readonly TransformStep[]

export interface TransformFault {
  /** Of the step, or of its member. */
  readonly pointer: string
  readonly code: 'invalid_transform'
  readonly detail: string
}

export type ParsedTransform =
  | { readonly kind: 'ok'; readonly transform: Transform }
  | { readonly kind: 'refused'; readonly errors: readonly TransformFault[] }

const mostSteps = 50
/** Keys of a pointer: an event is nested at most so deep. */
const mostKeys = maxDepth

/** `value`: a list of steps, such as `[{step: 'cast', field: '/data/tokens', to: 'number'}]`. */
export function parseTransform(value: unknown, root = ''): ParsedTransform {
  if (!Array.isArray(value)) return refused([fault(root, 'A transform is a list of steps.')])
  if (value.length > mostSteps)
    return refused([fault(root, `A transform has at most ${mostSteps} steps; this one has ${value.length}.`)])
  const steps: TransformStep[] = []
  const errors: TransformFault[] = []
  for (const [index, one] of value.entries()) {
    const read = parseStep(one, pointerTo(root, index))
    if (Array.isArray(read)) errors.push(...read)
    else steps.push(read as TransformStep)
  }
  return errors.length > 0 ? refused(errors) : { kind: 'ok', transform: steps }
}

function parseStep(value: unknown, pointer: string): TransformStep | readonly TransformFault[] {
  const named = z.looseObject({ step: z.string() }).safeParse(value)
  const known = stepNames.join(', ')
  if (!named.success) return [fault(pointer, `A step is an object with \`step\`, which is one of ${known}.`)]
  const { step } = named.data
  if (!Object.hasOwn(shapes, step)) {
    const detail = `There is no step ${shownName(step)}${nearestHint(step, stepNames)}. Steps are ${known}.`
    return [fault(`${pointer}/step`, detail)]
  }
  const parsed = stepSchemas[step as StepName].safeParse(value)
  if (parsed.success) return parsed.data
  return parsed.error.issues.flatMap(issue => {
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
    return unknown.map(key => {
      const path = key === undefined ? issue.path : [...issue.path, key]
      const name = path.length === 0 ? `The step ${step}` : `${step}.${path.join('.')}`
      return fault(path.map(String).reduce<string>(pointerTo, pointer), `${name}: ${issue.message}.`)
    })
  })
}

/** What is wrong with the pointer of a field; undefined: nothing. */
function fieldFault(pointer: string): string | undefined {
  if (pointer.split('/').length > mostKeys + 1)
    return `leads deeper than the ${mostKeys} levels that an event may have`
  if (/^\/data\/./.test(pointer)) return undefined
  if ((attributeFields as readonly string[]).includes(pointer)) return undefined
  if (pointer === '/time') return 'is set by the steps set_time and shift_time'
  if (['/id', '/source'].includes(pointer)) return 'never changes: it is the identity of the event'
  const known = attributeFields.join(', ')
  const hint = pointer.startsWith('/') ? nearestHint(pointer, attributeFields) : ''
  const inData = `/data/${pointer.replace(/^\/+/, '')}`
  return `names no field that can be mended${hint}. A field of the data is written ${inData}; attributes are ${known}`
}

function fault(pointer: string, detail: string): TransformFault {
  return { pointer, code: 'invalid_transform', detail }
}

function refused(errors: readonly TransformFault[]): ParsedTransform {
  return { kind: 'refused', errors }
}
