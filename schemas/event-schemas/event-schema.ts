// The schema of a type of event: JSON Schema 2020-12 for its `data`, by type and version; a published version never changes.
// Invariants: a schema that comes out compiles, refers to nothing outside itself, and checking with it changes nothing, waits for
// nothing, takes time that grows with the event alone (linear-pattern.ts) and tells no value of the event.

import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { ExactNumber } from '../money/exact-number.js'
import { pointerTo } from '../rejection.js'
import { linearPatterns } from './linear-pattern.js'

export type JsonSchema = Readonly<Record<string, unknown>>

export interface EventSchema {
  readonly eventType: string
  readonly version: number
  /** It judges events that arrive from here on; absent: a minute after it was published. */
  readonly fromMs?: number
  readonly schema: JsonSchema
}

export interface SchemaFault {
  /** JSON pointer into `data`. */
  readonly pointer: string
  readonly detail: string
}

export type CompiledSchema =
  | { readonly kind: 'ok'; readonly faultOf: (data: unknown) => SchemaFault | undefined }
  | { readonly kind: 'invalid'; readonly detail: string }

let compiler: Ajv2020 | undefined

/** Made once: it takes longer than a schema. It keeps none of them, so that two with one `$id` do not meet. */
function theCompiler(): Ajv2020 {
  if (compiler === undefined) {
    const lenient = { strictTypes: false, strictTuples: false, strictRequired: false } as const
    compiler = new Ajv2020({ strict: true, ...lenient, logger: false, code: { regExp: linearPatterns } })
    formats.default(compiler)
  }
  return compiler
}

export function compileSchema(schema: JsonSchema): CompiledSchema {
  const ajv = theCompiler()
  try {
    const validate = ajv.compile(schema)
    if ('$async' in validate) return { kind: 'invalid', detail: '$async is no keyword here' }
    return {
      kind: 'ok',
      faultOf: data => (validate(withDoubles(data)) === true ? undefined : faultOf(validate.errors?.[0])),
    }
  } catch (error) {
    // Ajv tells what is wrong with a schema by errors of several classes; none of them is a bug of ours.
    return { kind: 'invalid', detail: error instanceof Error ? error.message : String(error) }
  } finally {
    ajv.removeSchema(schema)
  }
}

function faultOf(error: ErrorObject | undefined): SchemaFault {
  const { instancePath = '', message = 'does not fit', params = {}, schemaPath = '' } = error ?? {}
  const named: unknown =
    params['missingProperty'] ?? params['additionalProperty'] ?? params['unevaluatedProperty']
  const pointer = typeof named === 'string' ? pointerTo(instancePath, named) : instancePath
  const what = params['missingProperty'] === undefined ? message : 'is missing'
  const words =
    pointer !== instancePath && params['missingProperty'] === undefined ? 'is no field of it' : what
  return { pointer, detail: `${words} (${schemaPath})` }
}

/** Numbers that no double holds as the nearest double: bounds are compared as JSON Schema's other readers do. */
function withDoubles(value: unknown): unknown {
  if (value instanceof ExactNumber) return Number(value.text)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map(withDoubles)
    return items.some((item, at) => item !== value[at]) ? items : value
  }
  const entries = Object.entries(value)
  const changed = entries.map(([key, member]): [string, unknown] => [key, withDoubles(member)])
  return changed.some(([, member], at) => member !== entries[at]?.[1]) ? Object.fromEntries(changed) : value
}
