// An OpenAPI document as the tests of this folder read it, and its parts: operations, schemas, references. It knows
// nothing of Weir's code: what a client would see is all that it has.

export type Json = { readonly [name: string]: unknown }

export interface OpenApi {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>> }
}

export interface Media {
  readonly schema: Json
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

export interface Answer {
  readonly description: string
  readonly headers?: Readonly<Record<string, { readonly description: string }>>
  readonly content?: Readonly<Record<string, Media>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}

export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, Answer>>
}

export interface PlacedOperation extends Operation {
  readonly path: string
  readonly method: string
}

export function operationsOf(document: OpenApi): readonly PlacedOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method })),
  )
}

/** The schema that a `$ref` names, or the schema itself. */
export function resolved(document: OpenApi, schema: Json): Json {
  const reference = schema['$ref']
  if (typeof reference !== 'string') return schema
  const name = reference.replace('#/components/schemas/', '')
  const found = document.components.schemas[name]
  if (found === undefined) throw new Error(`the document has no schema ${reference}`)
  return resolved(document, found)
}
