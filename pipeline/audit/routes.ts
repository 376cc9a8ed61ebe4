// The routes of the audit trail: its entries, and whether it is whole.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { auditEntrySchema } from '../../schemas/audit/audit-entry.js'
import { type ApiReply, type ApiRoute, type ApiTag, needs, readQuery } from '../gateway/route.js'
import type { Anchor } from './anchor.js'
import { askTable } from './audit-table.js'
import { type AuditSource, verifyAudit } from './verify.js'

const auditTag: ApiTag = {
  name: 'Audit',
  description: 'Who did what, when and why: a chain of hashes that shows whether it was tampered with.',
}
const read = needs('read')
const instant = z.iso.datetime({ offset: true }).optional()
const mostEntries = 1_000

const listQuery = z.object({
  act: z
    .string()
    .max(128)
    .optional()
    .describe('The name of an act, or its beginning with `*`: `key.*`')
    .meta({ examples: ['key.*'] }),
  by: z.string().max(256).optional().describe('The id or the name of a key, or `weir`'),
  object_kind: z.string().max(128).optional().describe('The kind of thing that the act was done to'),
  object_id: z.string().max(256).optional().describe('The id of the thing that the act was done to'),
  since: instant.describe('From this instant on'),
  until: instant.describe('Before this instant'),
  before: z.coerce.number().int().min(1).optional().describe('A sequence: entries before it'),
  limit: z.coerce.number().int().min(1).max(mostEntries).default(100).describe('Entries in a page'),
})

const entryExample = {
  sequence: 1,
  previous_hash: '0'.repeat(64),
  hash: 'fef2ec412d9ebb1e7f2ef8b05eb2bfa9a3bb4a16e4e4cb1b97b4fb71b3b05a3d',
  entry_id: '0b6a8f8e-4d0b-4b5e-9b0a-5f4d3c2b1a09',
  at: '2026-01-01T00:00:00.000Z',
  by: { kind: 'key', id: '0123456789ab', name: 'first key' },
  act: 'key.created',
  object: { kind: 'key', id: 'ba9876543210' },
  reason: null,
  before: null,
  after: { name: 'gateway of the EU', scopes: ['ingest:usage'] },
} satisfies z.input<typeof auditEntrySchema>

const verificationQuery = z.object({
  anchor: z
    .string()
    .regex(
      /^[1-9]\d*:[0-9a-f]{64}$/,
      'A head is its sequence, a colon and its hash of 64 digits, as verify prints it.',
    )
    .optional()
    .describe('A head that was written down before, `sequence:hash`: the trail must still meet it')
    .meta({ examples: [`1:${entryExample.hash}`] }),
})

const headSchema = z.object({ sequence: z.int().min(1), hash: z.string() })
const verificationSchema = z
  .object({
    ok: z.boolean(),
    entries: z.int().min(0),
    head: headSchema
      .nullable()
      .describe('Of the last entry. Keep it elsewhere, and give it as `anchor` later'),
    clickhouse_rows: z.int().min(0),
    differences: z.array(
      z.object({
        where: z.enum(['stream', 'anchor', 'clickhouse']),
        what: z.enum(['changed', 'removed', 'inserted', 'unreadable']),
        sequence: z.int().nullable().describe('Of the entry; null: it has none'),
        detail: z.string(),
      }),
    ),
  })
  .meta({ id: 'AuditVerification' })

export function auditRoutes(source: AuditSource): readonly ApiRoute[] {
  return [listRoute(source.clickhouse), verificationRoute(source)]
}

function listRoute(clickhouse: ClickHouseClient): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/audit',
    access: read,
    operationId: 'listAuditEntries',
    tag: auditTag,
    summary: 'Entries of the audit trail',
    description:
      'The newest first, as ClickHouse has them: an entry is there within a second or so of its act.',
    query: listQuery,
    responses: {
      200: {
        description: 'The entries; `next_before` is the `before` of the next page, null on the last one.',
        schema: z.object({ entries: z.array(auditEntrySchema), next_before: z.int().nullable() }),
        example: { entries: [entryExample], next_before: null },
      },
    },
    async handle(call): Promise<ApiReply> {
      const question = readQuery(call, listQuery)
      const entries = await askTable(clickhouse, question)
      const isFull = entries.length === question.limit
      return { status: 200, body: { entries, next_before: isFull ? entries.at(-1)!.sequence : null } }
    },
  }
}

function verificationRoute(source: AuditSource): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/audit/verification',
    access: read,
    operationId: 'verifyAudit',
    tag: auditTag,
    summary: 'Whether the audit trail is whole',
    description:
      'Reads every entry again: each against its hash and the entry before it, the end against the anchor, and the rows of ' +
      'ClickHouse against the stream. Each entry that was changed, removed or inserted is named.',
    query: verificationQuery,
    responses: {
      200: {
        description: 'What was found; `ok` is false when anything differs.',
        schema: verificationSchema,
        example: {
          ok: true,
          entries: 1,
          head: { sequence: 1, hash: entryExample.hash },
          clickhouse_rows: 1,
          differences: [],
        },
      },
    },
    async handle(call): Promise<ApiReply> {
      const { anchor } = readQuery(call, verificationQuery)
      return { status: 200, body: await verifyAudit(source, anchorOf(anchor)) }
    },
  }
}

function anchorOf(text: string | undefined): Anchor | undefined {
  if (text === undefined) return undefined
  const at = text.indexOf(':')
  return { sequence: Number(text.slice(0, at)), hash: text.slice(at + 1) }
}
