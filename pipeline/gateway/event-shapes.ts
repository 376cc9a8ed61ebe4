// What an event request and its answer look like, for the OpenAPI document. The rules that are enforced are those of
// schemas/event/cloud-event.ts; these shapes only describe them.

import { z } from 'zod'
import {
  cloudEventsType,
  cloudEventType,
  jsonType,
  ndjsonType,
  usageBatchFileType,
  usageBatchType,
} from '../../schemas/event/media-types.js'
import { optionalColumns, requiredColumns } from '../../schemas/usage-batch/usage-batch-schema.js'
import { problemErrorSchema } from './problem.js'
import type { ApiBodyDoc } from './route.js'

export const eventContentTypes: readonly string[] = [
  cloudEventType,
  cloudEventsType,
  jsonType,
  ndjsonType,
  usageBatchType,
  usageBatchFileType,
]

const name = z.string().min(1).max(256)

export const cloudEventSchema = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: name.describe('With `source` the identity of the event, for ever'),
    source: name,
    type: name.describe('Types that begin with `weir.` are ours; every other type is usage'),
    subject: name.optional().describe('The customer id; required for usage'),
    time: z.iso.datetime({ offset: true }).optional().describe('Missing: the time of arrival'),
    subscriptionid: name.optional().describe('Pins usage to one subscription'),
    correlationid: z.string().max(256).optional(),
    traceparent: z.string().max(256).optional(),
    weirstampedtime: z
      .boolean()
      .optional()
      .describe('True: `time` was stamped at this try and is no part of the content'),
    data: z.record(z.string(), z.unknown()).nullish().describe('Missing: the empty object'),
    data_base64: z.base64().nullish().describe('Instead of `data`: a JSON object in base64'),
  })
  .meta({ id: 'CloudEvent', description: 'CloudEvents 1.0, JSON' })

const usageExample = {
  specversion: '1.0',
  id: 'req-1',
  source: 'api.example.com',
  type: 'llm.request',
  subject: 'acme',
  time: '2026-01-31T23:59:59.5Z',
  data: { tokens: 1201, region: 'eu' },
}

const ndjsonSchema = z.string().describe('One CloudEvent in each line.')
const arrowSchema = z
  .unknown()
  .describe(
    `Arrow IPC, as a stream or a file. Columns of text: ${requiredColumns.join(', ')}; optional and nullable: time (text or a ` +
      `timestamp, in UTC if it has no time zone), ${optionalColumns.join(', ')}. data is JSON text or a struct; all other ` +
      'columns are fields of data. A row means what the JSON event with these attributes means.',
  )

export const eventBody: ApiBodyDoc = {
  required: true,
  content: {
    [cloudEventType]: { schema: cloudEventSchema, example: usageExample },
    [cloudEventsType]: {
      schema: z.array(cloudEventSchema),
      example: [usageExample, { ...usageExample, id: 'req-2', data: { tokens: 7, region: 'us' } }],
    },
    [jsonType]: { schema: z.union([cloudEventSchema, z.array(cloudEventSchema)]), example: usageExample },
    [ndjsonType]: { schema: ndjsonSchema, example: `${JSON.stringify(usageExample)}\n` },
    [usageBatchType]: { schema: arrowSchema },
    [usageBatchFileType]: { schema: arrowSchema },
  },
}

/** The HTTP binary mode: attributes in headers, `data` as the body. */
export const binaryHeaders = z.object({
  'ce-specversion': z.literal('1.0').optional().describe('Says that the body is the `data` of one event'),
  'ce-id': name.optional().describe('Of the event in the binary mode: `id`'),
  'ce-source': name.optional().describe('`source`'),
  'ce-type': name.optional().describe('`type`'),
  'ce-subject': name.optional().describe('`subject`, percent-encoded'),
  'ce-time': z.iso.datetime({ offset: true }).optional().describe('`time`'),
})

const verdictSchema = z
  .object({
    index: z.int().min(0).describe('Place in the request, from 0'),
    id: z.string().nullable(),
    code: z.string().describe('Stable: why this event was refused'),
    detail: z.string(),
    pointer: z.string().optional().describe('JSON pointer into the event'),
    errors: z.array(problemErrorSchema).optional().describe('Of a catalog: everything that is wrong'),
  })
  .meta({ id: 'EventVerdict' })

const receiptSchema = z
  .object({
    stream: z.enum(['METERING', 'LIFECYCLE', 'CATALOG']),
    partition: z.int().min(0).nullable().describe('Null for the catalog, which every partition reads'),
    stream_sequence: z.int().min(1),
    count: z.int().min(1).describe('Events of this request in that message'),
  })
  .meta({ id: 'Receipt' })

export const eventsAcceptedSchema = z
  .object({
    accepted: z.int().min(0),
    rejected: z.array(verdictSchema),
    receipts: z.array(receiptSchema),
  })
  .meta({ id: 'EventsAccepted' })

/** What a 503 says of the part of the request that is on disk. */
export const partlyTaken = eventsAcceptedSchema.partial().extend({
  maybe_stored: z.int().optional().describe('Events that may be on disk: the broker did not answer for them'),
})

export const acceptedExample = {
  accepted: 1,
  rejected: [
    {
      index: 1,
      id: 'req-2',
      code: 'missing_attribute',
      detail: 'The attribute subject is missing.',
      pointer: '/subject',
    },
  ],
  receipts: [{ stream: 'METERING', partition: 3, stream_sequence: 4711, count: 1 }],
}
