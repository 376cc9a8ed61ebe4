// The OpenAPI 3.1 document, made from the very routes that are registered.
// Invariants: every registered route is in the document, this one included, but those that share another's path (`claims`);
// it names every status, code and header that a route may answer, and no other.

import { z } from 'zod'
import { jsonType, problemType } from '../../schemas/event/media-types.js'
import { problemSchema, titleOf } from './problem.js'
import { meaningOf, type ProblemCode, problemCodes, problemHeaders } from './problem-codes.js'
import type { ApiContentDoc, ApiResponseDoc, ApiRoute, ApiTag } from './route.js'
import { problemsOf } from './route-problems.js'
import { scopeMeanings, scopes } from './scopes.js'

type Json = Readonly<Record<string, unknown>>
type Components = Record<string, unknown>

export const aboutTag: ApiTag = {
  name: 'About',
  description: 'Whether this Weir is well, what it is, and what it understands.',
}

/** The route that serves the document of `routes` and itself. */
export function openApiRoute(routes: readonly ApiRoute[], version: string): ApiRoute {
  let document: Json | undefined
  const route: ApiRoute = {
    method: 'GET',
    path: '/openapi.json',
    access: { kind: 'anyone' },
    operationId: 'getOpenApi',
    tag: aboutTag,
    summary: 'This document',
    description:
      'The OpenAPI 3.1 description of all routes of this Weir, from which typed clients can be made.',
    responses: {
      200: {
        description: 'The document.',
        schema: z.looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) }),
        example: { openapi: '3.1.0', info: { title: 'Weir', version: '0.1.0' }, paths: {} },
      },
    },
    async handle() {
      document ??= openApiDocument([...routes, route], version)
      return { status: 200, body: document }
    },
  }
  return route
}

export function openApiDocument(routes: readonly ApiRoute[], version: string): Json {
  const components: Components = {}
  const paths: Record<string, Record<string, unknown>> = {}
  const tags = new Map<string, ApiTag>()
  for (const route of routes) {
    if (route.claims !== undefined) continue
    const path = paths[route.path] ?? {}
    paths[route.path] = path
    path[route.method.toLowerCase()] = operationOf(route, components)
    tags.set(route.tag.name, route.tag)
  }
  schemaOf(problemSchema, 'output', components)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version,
      summary: 'Metering in, rated money out.',
      description: descriptionOf(),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/', description: 'The Weir that serves this document.' }],
    tags: [...tags.values()].map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'weir_<id>_<secret>',
          description: keyDescription(),
        },
      },
    },
  }
}

/** What no single operation says: how a request is refused, and all codes. */
function descriptionOf(): string {
  const rows = Object.keys(problemCodes).map(code => {
    const { status, meaning } = meaningOf(code as ProblemCode)
    return `| \`${code}\` | ${status} | ${meaning} |`
  })
  return [
    'Every refusal is `application/problem+json` (RFC 9457), also of a path or method that does not exist. Its `code` is',
    'stable: switch on it, never on the texts. What can be sent again carries `Retry-After`. The routes for the clients of',
    'other systems refuse in the shapes that those clients know, except what is no HTTP.',
    '',
    '| code | status | means |',
    '|---|---|---|',
    ...rows,
  ].join('\n')
}

function keyDescription(): string {
  const rows = scopes.map(scope => `| \`${scope}\` | ${scopeMeanings[scope]} |`)
  return [
    'An API key: `Authorization: Bearer weir_<id>_<secret>`. Each operation names the scopes of which one is enough.',
    '',
    '| scope | allows |',
    '|---|---|',
    ...rows,
  ].join('\n')
}

function operationOf(route: ApiRoute, components: Components): Json {
  const parameters = [
    ...parametersOf('path', route.params, components),
    ...parametersOf('query', route.query, components),
    ...parametersOf('header', route.headers, components),
  ]
  const { body } = route
  return {
    operationId: route.operationId,
    tags: [route.tag.name],
    summary: route.summary,
    description: route.description,
    security: securityOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.required, content: contentOf(body.content, 'input', components) } }),
    responses: { ...answersOf(route, components), ...refusalsOf(route, components) },
  }
}

function securityOf({ access }: ApiRoute): readonly Json[] {
  switch (access.kind) {
    case 'anyone':
      return []
    case 'scope':
      return access.anyOf.map(scope => ({ apiKey: [scope] }))
    case 'scope_or_loopback':
      return [...access.anyOf.map(scope => ({ apiKey: [scope] })), {}]
    default:
      return access satisfies never
  }
}

function parametersOf(
  place: 'path' | 'query' | 'header',
  object: z.ZodObject | undefined,
  components: Components,
): Json[] {
  return Object.entries(object?.shape ?? {}).map(([name, member]) => {
    const { description, ...schema } = schemaOf(member as z.ZodType, 'input', components)
    return {
      name,
      in: place,
      required: place === 'path' || !z.safeParse(member, undefined).success,
      ...(description === undefined ? {} : { description }),
      schema,
    }
  })
}

function answersOf(route: ApiRoute, components: Components): Json {
  const answers = Object.entries(route.responses).map(([status, doc]) => [
    status,
    {
      description: doc.description,
      ...(doc.headers === undefined ? {} : { headers: headersOf(doc.headers) }),
      ...answerContent(doc, components),
    },
  ])
  return Object.fromEntries(answers)
}

function answerContent(doc: ApiResponseDoc, components: Components): Json {
  const { schema, example, contentType = jsonType } = doc
  if (schema === undefined) return {}
  return { content: contentOf({ [contentType]: { schema, example } }, 'output', components) }
}

/** By status: the codes that the route may refuse with, each with an example. */
function refusalsOf(route: ApiRoute, components: Components): Json {
  const byStatus = new Map<number, ProblemCode[]>()
  for (const code of problemsOf(route)) {
    const { status } = meaningOf(code)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const refusals = [...byStatus].map(([status, codes]) => {
    const headers = Object.fromEntries(
      codes.flatMap(code => meaningOf(code).headers ?? []).map(name => [name, problemHeaders[name]]),
    )
    const content = { schema: refusalSchema(route, status, codes, components), examples: examplesOf(codes) }
    const { refusals: shape } = route
    Object.assign(headers, shape?.headers)
    return [
      status,
      {
        description: codes.map(code => `\`${code}\`: ${meaningOf(code).meaning}`).join('\n\n'),
        ...(Object.keys(headers).length === 0 ? {} : { headers: headersOf(headers) }),
        content: {
          ...(shape === undefined ? {} : contentOf({ [jsonType]: shape }, 'output', components)),
          [problemType]: content,
        },
      },
    ]
  })
  return Object.fromEntries(refusals)
}

function refusalSchema(
  { problemMembers }: ApiRoute,
  status: number,
  codes: readonly ProblemCode[],
  components: Components,
): Json {
  const members = problemMembers?.[status]
  const further = members === undefined ? {} : (schemaOf(members, 'input', components)['properties'] as Json)
  const properties = { status: { const: status }, code: { enum: codes }, ...further }
  return { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties }] }
}

function examplesOf(codes: readonly ProblemCode[]): Json {
  return Object.fromEntries(
    codes.map(code => {
      const { status, meaning } = meaningOf(code)
      const value = {
        type: `urn:weir:problem:${code}`,
        title: titleOf(status),
        status,
        code,
        detail: meaning,
      }
      return [code, { summary: code, value }]
    }),
  )
}

function headersOf(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      headerName(name),
      { description, schema: name === 'retry-after' ? { type: 'integer', minimum: 1 } : { type: 'string' } },
    ]),
  )
}

/** `retry-after` as people write it: Retry-After. */
function headerName(name: string): string {
  if (name === 'www-authenticate') return 'WWW-Authenticate'
  return name.replaceAll(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}

function contentOf(
  content: Readonly<Record<string, ApiContentDoc>>,
  io: 'input' | 'output',
  components: Components,
): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, example }]) => [
      type,
      { schema: schemaOf(schema, io, components), ...(example === undefined ? {} : { example }) },
    ]),
  )
}

/** The JSON schema; parts that have an id (zod puts them into `$defs`) become components, named by `$ref`. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Components): Json {
  const { $schema: _dialect, $defs, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  for (const [id, definition] of Object.entries($defs ?? {})) components[id] = relinked(definition)
  return relinked(root) as Json
}

function relinked(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(relinked)
  if (typeof node !== 'object' || node === null) return node
  const isInstant = 'format' in node && node.format === 'date-time' // which says more than its pattern
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => !(isInstant && key === 'pattern'))
      .map(([key, value]) => [
        key,
        key === '$ref' && typeof value === 'string'
          ? value.replace('#/$defs/', '#/components/schemas/')
          : relinked(value),
      ]),
  )
}
