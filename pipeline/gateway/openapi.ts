// The OpenAPI 3.1 document, made from the very routes that are registered.
// Invariant: every registered route is in the document, this one included.

import { z } from 'zod'
import { jsonType, problemType } from '../../schemas/event/media-types.js'
import { problemSchema } from './problem.js'
import type { ApiBodyDoc, ApiResponseDoc, ApiRoute } from './route.js'

type Json = Readonly<Record<string, unknown>>

/** The route that serves the document of `routes` and itself. */
export function openApiRoute(routes: readonly ApiRoute[], version: string): ApiRoute {
  let document: Json | undefined
  const route: ApiRoute = {
    method: 'GET',
    path: '/openapi.json',
    access: { kind: 'anyone' },
    operationId: 'getOpenApi',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({}) } },
    async handle() {
      document ??= openApiDocument([...routes, route], version)
      return { status: 200, body: document }
    },
  }
  return route
}

export function openApiDocument(routes: readonly ApiRoute[], version: string): Json {
  const components: Record<string, unknown> = {}
  const problem = schemaOf(problemSchema, 'output', components)
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = paths[route.path] ?? {}
    paths[route.path] = path
    path[route.method.toLowerCase()] = operationOf(route, problem, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version,
      description: 'Metering in, rated money out.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: weir_<id>_<secret>' },
      },
    },
  }
}

function operationOf(route: ApiRoute, problem: Json, components: Record<string, unknown>): Json {
  const parameters = [
    ...parametersOf('path', route.params, components),
    ...parametersOf('query', route.query, components),
    ...parametersOf('header', route.headers, components),
  ]
  const body = route.body
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...securityOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: requestBodyOf(body, schemaOf(body.schema, 'input', components)) }),
    responses: responsesOf(route, problem, components),
  }
}

function requestBodyOf({ contentTypes, binary }: ApiBodyDoc, schema: Json): Json {
  const content: Record<string, Json> = Object.fromEntries(contentTypes.map(type => [type, { schema }]))
  // OpenAPI 3.1: a binary media type has no schema other than its description.
  if (binary !== undefined) content[binary.contentType] = { schema: { description: binary.description } }
  return { required: true, content }
}

function securityOf(route: ApiRoute): Json {
  switch (route.access.kind) {
    case 'anyone':
      return { security: [] }
    case 'scope':
      return { security: route.access.anyOf.map(scope => ({ apiKey: [scope] })) }
    case 'scope_or_loopback':
      return { security: [...route.access.anyOf.map(scope => ({ apiKey: [scope] })), {}] }
    default:
      return route.access satisfies never
  }
}

function parametersOf(
  place: 'path' | 'query' | 'header',
  object: z.ZodObject | undefined,
  components: Record<string, unknown>,
): Json[] {
  return Object.entries(object?.shape ?? {}).map(([name, member]) => ({
    name,
    in: place,
    required: place === 'path' || !z.safeParse(member, undefined).success,
    schema: schemaOf(member as z.ZodType, 'input', components),
  }))
}

function responsesOf(route: ApiRoute, problem: Json, components: Record<string, unknown>): Json {
  const refusal = { [problemType]: { schema: problem } }
  const responses: Record<string, unknown> = {}
  for (const [status, doc] of Object.entries(route.responses)) {
    const content = Number(status) >= 400 && doc.schema === undefined ? refusal : contentOf(doc, components)
    responses[status] = { description: doc.description, ...(content === undefined ? {} : { content }) }
  }
  responses['default'] = { description: 'Refused', content: refusal }
  return responses
}

function contentOf(doc: ApiResponseDoc, components: Record<string, unknown>): Json | undefined {
  if (doc.schema === undefined) return undefined
  return { [doc.contentType ?? jsonType]: { schema: schemaOf(doc.schema, 'output', components) } }
}

/** The JSON schema; parts that have an id (zod puts them into `$defs`) become components, named by `$ref`. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Record<string, unknown>): Json {
  const { $schema: _dialect, $defs, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  for (const [id, definition] of Object.entries($defs ?? {})) components[id] = relinked(definition)
  return relinked(root) as Json
}

function relinked(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(relinked)
  if (typeof node !== 'object' || node === null) return node
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', '#/components/schemas/')
        : relinked(value),
    ]),
  )
}
