// The routes of schemas of types of events: publish and try, list, and read with an ETag. A schema is published as a part of the
// catalog, by the gateway's own publisher, which records the act.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { eventSchemaToWire } from '../../schemas/catalog/catalog-event-schema.js'
import { compatibilities } from '../../schemas/event-schemas/compatibility.js'
import type { EventSchema } from '../../schemas/event-schemas/event-schema.js'
import type { EventTaker } from '../gateway/event-taker.js'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  jsonBody,
  needs,
  readJson,
} from '../gateway/route.js'
import { type Judged, judge, newestOf } from './judge.js'
import { ruleOf, type SchemasSettings } from './settings.js'

export interface SchemaParts {
  readonly events: EventTaker
  readonly settings: SchemasSettings
  /** As it is published now. */
  readonly catalog: () => Promise<Catalog>
}

const schemasTag: ApiTag = {
  name: 'Schemas',
  description: 'JSON Schemas of types of events: published versions, and what new ones would break.',
}
const typeParam = z
  .string()
  .describe('A type of event')
  .meta({ examples: ['llm.request'] })
const maxBodyBytes = 128 * 1024

const body = z
  .strictObject({
    event_type: z.string().min(1).max(200).describe('Of usage: not weir.…'),
    schema: z.looseObject({}).describe('JSON Schema 2020-12 of the data'),
    from: z.iso
      .datetime({ offset: true })
      .nullish()
      .describe(
        'Judges events that arrive from here on; absent, null or too soon: a minute after it is published',
      ),
    dry_run: z.boolean().default(false).describe('Nothing is published'),
  })
  .meta({ id: 'NewEventSchema' })

const schemaShape = z
  .object({
    event_type: z.string(),
    version: z.int(),
    from: z.string().optional().describe('Judges events that arrive from here on'),
    schema: z.looseObject({}),
  })
  .meta({ id: 'EventSchema' })

const breakShape = z.object({ pointer: z.string(), detail: z.string() })
const verdictShape = z
  .object({
    event_type: z.string(),
    version: z.int().describe('That it has, or would get'),
    compatibility: z.enum(compatibilities),
    published: z.boolean().describe('False: of a dry run, or of what was published before'),
    breaks: z
      .array(breakShape)
      .describe('By field, what the version before it takes and this one does not, or the other way'),
  })
  .meta({ id: 'SchemaVerdict' })

const schemaExample = {
  type: 'object',
  properties: { tokens: { type: 'integer', minimum: 0 } },
  required: ['tokens'],
}
const example = { event_type: 'llm.request', version: 1, from: '2026-01-31T12:01:00Z', schema: schemaExample }
const etagHeader = { etag: 'Changes with the schema; send it as If-None-Match.' }

export function schemaRoutes(parts: SchemaParts): readonly ApiRoute[] {
  return [publishRoute(parts), listRoute(parts), newestRoute(parts), versionRoute(parts)]
}

function publishRoute(parts: SchemaParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/schemas',
    audits: { exempt: 'the publisher of events records catalog.published' },
    access: needs('ingest:catalog'),
    operationId: 'publishSchema',
    tag: schemasTag,
    summary: 'Publish or try a schema of a type of event',
    description:
      'It gets the next version of its type. It has to go with the version before it, by the rule of the configuration; else 409 ' +
      'names what breaks. From a minute later on events that do not fit are dead letters, `schema_mismatch`.',
    body: jsonBody(body, { event_type: 'llm.request', schema: schemaExample }),
    responses: {
      200: {
        description: 'What it is, or would be. Published: it is on disk.',
        schema: verdictShape,
        example: {
          event_type: 'llm.request',
          version: 1,
          compatibility: 'backward',
          published: true,
          breaks: [],
        },
      },
    },
    problems: [
      'invalid_request',
      'schema_incompatible',
      'pipeline_behind',
      'too_much_in_flight',
      'pipeline_stopped',
      'outcome_unknown',
    ],
    handle: call => publish(parts, call),
  }
}

async function publish({ events, settings, catalog }: SchemaParts, call: ApiCall): Promise<ApiReply> {
  const asked = await readJson(call, body, maxBodyBytes)
  const { event_type: eventType, schema, from, dry_run: isDryRun } = asked
  if (eventType.startsWith('weir.'))
    throw invalid('/event_type', 'Types beginning with weir. have schemas of their own.')
  const rule = ruleOf(settings, eventType)
  const judged = judge((await catalog()).schemas ?? [], { eventType, schema }, rule)
  if (judged.kind === 'invalid') throw invalid('/schema', `It is no JSON Schema 2020-12: ${judged.detail}.`)
  const breaks = judged.kind === 'new' ? judged.breaks : []
  if (!isDryRun && breaks.length > 0) throw incompatible(judged, rule, breaks)
  const isNew = !isDryRun && judged.kind === 'new'
  if (isNew) {
    const one = { event_type: eventType, version: judged.version, ...(from == null ? {} : { from }), schema }
    const { rejected } = await events.take([published(one)], call.caller)
    if (rejected[0] !== undefined) throw invalid('/schema', rejected[0].detail)
  }
  const { version } = judged
  return {
    status: 200,
    body: { event_type: eventType, version, compatibility: rule, published: isNew, breaks },
  }
}

function published(one: { readonly event_type: string; readonly version: number; readonly schema: unknown }) {
  const id = createHash('sha256').update(JSON.stringify(one)).digest('hex')
  return {
    specversion: '1.0',
    id,
    source: 'weir:schemas',
    type: 'weir.catalog.published',
    data: { catalog: { schemas: [one] } },
  }
}

function invalid(pointer: string, detail: string): Problem {
  return new Problem('invalid_request', detail, { errors: [{ pointer, code: 'invalid_schema', detail }] })
}

function incompatible(judged: Judged, rule: string, breaks: readonly z.infer<typeof breakShape>[]): Problem {
  const of = judged.kind === 'new' ? judged.version - 1 : 0
  const errors = breaks.map(one => ({ ...one, pointer: `/data${one.pointer}`, code: 'schema_incompatible' }))
  const detail = `It is not ${rule} compatible with version ${of}: ${errors[0]?.pointer}: ${errors[0]?.detail}`
  return new Problem('schema_incompatible', detail, { errors })
}

function listRoute({ catalog }: SchemaParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/schemas',
    access: needs('read', 'ingest:usage', 'ingest:catalog'),
    operationId: 'listSchemas',
    tag: schemasTag,
    summary: 'Published schemas',
    description: 'Every version of every type, the newest of a type first.',
    responses: {
      200: {
        description: 'The schemas.',
        schema: z.object({ schemas: z.array(schemaShape) }),
        example: { schemas: [example] },
      },
    },
    async handle() {
      const all = [...((await catalog()).schemas ?? [])]
      all.sort((a, b) =>
        a.eventType < b.eventType ? -1 : a.eventType > b.eventType ? 1 : b.version - a.version,
      )
      return { status: 200, body: { schemas: all.map(toWire) } }
    },
  }
}

const readRoute = {
  method: 'GET',
  access: needs('read', 'ingest:usage', 'ingest:catalog'),
  tag: schemasTag,
  headers: z.object({ 'if-none-match': z.string().optional().describe('The ETag that the caller has') }),
  responses: {
    200: { description: 'The schema.', schema: schemaShape, example, headers: etagHeader },
    304: { description: 'It is the one that the caller has.', headers: etagHeader },
  },
  problems: ['not_found'],
} as const

function newestRoute({ catalog }: SchemaParts): ApiRoute {
  return {
    ...readRoute,
    path: '/v1/schemas/{type}',
    operationId: 'getNewestSchema',
    summary: 'The newest schema of a type',
    description: 'Also before it is in force: `from` says when.',
    params: z.object({ type: typeParam }),
    async handle(call) {
      const type = call.params['type'] ?? ''
      return replyWith(newestOf((await catalog()).schemas ?? [], type), call)
    },
  }
}

function versionRoute({ catalog }: SchemaParts): ApiRoute {
  return {
    ...readRoute,
    path: '/v1/schemas/{type}/{version}',
    operationId: 'getSchema',
    summary: 'One version of a schema',
    description: 'A published version never changes.',
    params: z.object({
      type: typeParam,
      version: z
        .string()
        .describe('A version')
        .meta({ examples: ['1'] }),
    }),
    async handle(call) {
      const { type, version } = call.params
      const found = (await catalog()).schemas?.find(
        one => one.eventType === type && String(one.version) === version,
      )
      return replyWith(found, call)
    },
  }
}

function replyWith(found: EventSchema | undefined, { headers }: ApiCall): ApiReply {
  if (found === undefined) throw new Problem('not_found', 'There is no such schema.')
  const body = JSON.stringify(toWire(found))
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`
  const has = (headers['if-none-match'] ?? '').split(',').map(one => one.trim().replace(/^W\//, ''))
  if (has.includes(etag) || has.includes('*')) return { status: 304, headers: { etag } }
  return { status: 200, body, headers: { etag } }
}

function toWire(one: EventSchema) {
  return eventSchemaToWire(one)
}
