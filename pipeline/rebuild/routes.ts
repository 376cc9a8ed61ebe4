// The route of rebuilds: `POST /v1/rebuilds`. The job is looked at, paused and cancelled under `/v1/jobs`.

import { z } from 'zod'
import type { FeatureParts } from '../feature/feature.js'
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
import { viewOfJob } from '../jobs/job-record.js'
import { jobExample, jobSchema } from '../jobs/job-routes.js'
import { rebuildKindName } from './rebuild-kind.js'
import { rebuiltTables } from './rebuilt-table.js'

const tag: ApiTag = {
  name: 'Rebuilds',
  description: 'Filling the tables of ClickHouse again from the ledger and the streams.',
}
const body = z.strictObject({
  tables: z.array(z.string()).min(1).max(64).optional().describe('Absent: all that can be rebuilt'),
  reason: z.string().max(1_000).optional(),
})
const example = { ...jobExample, kind: rebuildKindName, progress: { ...jobExample.progress, unit: 'tables' } }

export function rebuildRoutes(parts: Pick<FeatureParts, 'audit' | 'feeds' | 'jobs'>): readonly ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/v1/rebuilds',
      audits: ['rebuild.started'],
      access: needs('operate'),
      operationId: 'createRebuild',
      tag,
      summary: 'Rebuild tables of ClickHouse',
      description:
        'A job: table by table a new one is filled beside the old one, held against the ledger and against the old one, and takes ' +
        'its name. Live goes on meanwhile; the report says where the old one differed.',
      body: jsonBody(body, { tables: ['rated_usage'] }),
      responses: {
        202: {
          description: 'The job.',
          schema: jobSchema,
          example,
          headers: { location: 'The path of the job.' },
        },
      },
      problems: ['invalid_request', 'table_not_rebuilt', 'rebuild_under_way'],
      handle: call => begin(parts, call),
    },
  ]
}

async function begin(
  { audit, feeds, jobs }: Pick<FeatureParts, 'audit' | 'feeds' | 'jobs'>,
  call: ApiCall,
): Promise<ApiReply> {
  const { tables, reason } = await readJson(call, body)
  const known = rebuiltTables(feeds).map(({ table }): string => table.name)
  const unknown = tables?.filter(name => !known.includes(name)) ?? []
  if (unknown.length > 0) {
    throw new Problem('table_not_rebuilt', `${unknown.join(', ')}: rebuilt are ${known.join(', ')}.`)
  }
  const other = (await jobs.list()).find(
    ({ kind, state }) => kind === rebuildKindName && ['running', 'paused', 'failed'].includes(state),
  )
  if (other !== undefined) {
    throw new Problem(
      'rebuild_under_way',
      `The job ${other.job_id} is ${other.state}: resume or cancel it first.`,
    )
  }
  const wanted = tables === undefined ? known : known.filter(name => tables.includes(name))
  const told = reason === undefined ? {} : { reason }
  const object = { kind: 'database', id: 'clickhouse' }
  await audit.record({
    caller: call.caller,
    act: 'rebuild.started',
    object,
    after: { tables: wanted },
    ...told,
  })
  const { job } = await jobs.create({
    kind: rebuildKindName,
    requestedBy: call.caller,
    request: { tables: wanted },
    state: 'running',
    unit: 'tables',
    total: wanted.length,
    ...told,
  })
  return { status: 202, body: viewOfJob(job), headers: { location: `/v1/jobs/${job.job_id}` } }
}
