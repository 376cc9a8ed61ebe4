// Holds an answer against the OpenAPI document: status, content type, body and headers. A fault is told as a sentence.

import { Ajv2020, type AnySchema, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { Json, OpenApi, PlacedOperation } from './document.js'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** Headers that mean something to a caller: the document must name each that an answer has. */
const meaningful = [
  ...['retry-after', 'www-authenticate', 'allow', 'accept', 'accept-encoding', 'location', 'cache-control'],
]

export class AnswerChecker {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })
  readonly #compiled = new Map<string, ValidateFunction>()

  constructor(document: OpenApi) {
    formats.default(this.#ajv)
    this.#ajv.addSchema(document as unknown as AnySchema, 'weir', true, false)
  }

  /** What of the answer is not as the document says; undefined: nothing. */
  faultOf(operation: PlacedOperation | undefined, answer: HttpAnswer): string | undefined {
    if (answer.status >= 500 && answer.status !== 503) return `the status ${answer.status}: ${answer.body}`
    if (operation === undefined) return this.#refusalFault(answer)
    const documented = operation.responses[answer.status]
    if (documented === undefined) return `the status ${answer.status} is not documented: ${answer.body}`
    const named = new Set(Object.keys(documented.headers ?? {}).map(name => name.toLowerCase()))
    const unnamed = meaningful.filter(name => answer.headers[name] !== undefined && !named.has(name))
    if (unnamed.length > 0) return `the headers ${unnamed.join(', ')} of ${answer.status} are not documented`
    if (documented.content === undefined)
      return answer.body === '' ? undefined : `a body with ${answer.status}`
    const type = mediaType(answer)
    if (documented.content[type] === undefined)
      return `the content type ${type} of ${answer.status} is not documented`
    const pointer = [
      'paths',
      operation.path,
      operation.method,
      'responses',
      String(answer.status),
      'content',
      type,
    ]
    return this.#bodyFault([...pointer, 'schema'], answer)
  }

  /** Whether the document takes this value as a body of the operation. */
  takes(operation: PlacedOperation, contentType: string, value: unknown): boolean {
    const pointer = [
      'paths',
      operation.path,
      operation.method,
      'requestBody',
      'content',
      contentType,
      'schema',
    ]
    return this.#validator(pointer)(value) === true
  }

  /** What is wrong with a value for the schema at `pointer`. */
  valueFault(pointer: readonly string[], value: unknown): string | undefined {
    const validate = this.#validator(pointer)
    return validate(value) ? undefined : this.#ajv.errorsText(validate.errors)
  }

  #refusalFault(answer: HttpAnswer): string | undefined {
    if (answer.status < 400) return `the status ${answer.status} where nothing is`
    if (mediaType(answer) !== 'application/problem+json') return `a refusal of the type ${mediaType(answer)}`
    return this.#bodyFault(['components', 'schemas', 'Problem'], answer)
  }

  #bodyFault(pointer: readonly string[], answer: HttpAnswer): string | undefined {
    const fault = this.valueFault(pointer, bodyOf(answer))
    return fault === undefined ? undefined : `${fault}: ${answer.status} ${answer.body.slice(0, 600)}`
  }

  #validator(pointer: readonly string[]): ValidateFunction {
    const reference = `weir#/${pointer.map(escaped).join('/')}`
    const compiled = this.#compiled.get(reference) ?? this.#ajv.compile({ $ref: reference } as Json)
    this.#compiled.set(reference, compiled)
    return compiled
  }
}

function mediaType({ headers }: HttpAnswer): string {
  return String(headers['content-type'] ?? '')
    .split(';')[0]!
    .trim()
}

function bodyOf(answer: HttpAnswer): unknown {
  return /[/+]json$/.test(mediaType(answer)) ? (JSON.parse(answer.body) as unknown) : answer.body
}

/** A step of a JSON pointer in a URI fragment. */
function escaped(step: string): string {
  return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))
}
