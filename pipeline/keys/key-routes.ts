// The routes of API keys: make, list, rotate, revoke. Contract section 7.
// Invariant: a token is sent once, in the answer to the request that created it.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import {
  type ApiKeyRecord,
  type CreatedApiKey,
  createApiKey,
  isInForce,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from '../gateway/api-keys.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { recordKeyChange } from '../gateway/key-audit.js'
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
import { scopes } from '../gateway/scopes.js'

const admin = needs('admin')
const keysTag: ApiTag = { name: 'Keys', description: 'API keys by scope, with name and expiry.' }
const keyParams = z.object({
  id: z
    .string()
    .describe('A key_id')
    .meta({ examples: ['0123456789ab'] }),
})
const madeHeaders = {
  location: 'The path of the key.',
  'cache-control': 'no-store: the token is in no cache.',
}
const secondsPerDay = 86_400
const defaultOverlapSeconds = secondsPerDay
const longestOverlapSeconds = 90 * secondsPerDay

const expiresAt = z.iso
  .datetime({ offset: true })
  .nullish()
  .describe('When the key stops working; absent or null: never')

const createBody = z
  .strictObject({
    name: z.string().trim().min(1).max(256).describe('Who uses the key, and for what'),
    scopes: z.array(z.enum(scopes)).min(1),
    expires_at: expiresAt,
  })
  .meta({ id: 'NewApiKey' })

const rotateBody = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(longestOverlapSeconds)
      .default(defaultOverlapSeconds)
      .describe('How long the old key goes on working'),
    expires_at: expiresAt,
  })
  .meta({ id: 'ApiKeyRotation' })

const keySchema = z
  .object({
    key_id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(scopes)),
    status: z.enum(['active', 'expired', 'revoked']),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().nullable(),
    revoked_at: z.iso.datetime().nullable(),
    rotated_from: z.string().nullable().describe('The key that it replaced'),
    made_by: z.string().nullable().describe('The key that asked for it; null: Weir itself'),
    ends_with: z.string().nullable().describe('The key without which it holds no longer; null: none'),
  })
  .meta({ id: 'ApiKey' })

const madeSchema = keySchema
  .extend({ token: z.string().describe('Shown this once: only its hash is kept') })
  .meta({ id: 'MadeApiKey' })

const keyExample = {
  key_id: '0123456789ab',
  name: 'gateway of the EU',
  scopes: ['ingest:usage'],
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  expires_at: null,
  revoked_at: null,
  rotated_from: null,
  made_by: 'ba9876543210',
  ends_with: null,
}
const madeExample = { ...keyExample, token: 'weir_0123456789ab_…' }

export function keyRoutes(kv: KV, audit: AuditTrail, nowMs: () => number = Date.now): readonly ApiRoute[] {
  return [
    createRoute(kv, audit, nowMs),
    listRoute(kv, nowMs),
    rotateRoute(kv, audit, nowMs),
    revokeRoute(kv, audit, nowMs),
  ]
}

function createRoute(kv: KV, audit: AuditTrail, nowMs: () => number): ApiRoute {
  return {
    audits: ['key.created'],
    method: 'POST',
    path: '/v1/keys',
    access: admin,
    operationId: 'createApiKey',
    tag: keysTag,
    summary: 'Make an API key',
    description:
      'The token is in this answer and nowhere else: only its hash is kept. The key works at once.',
    body: jsonBody(createBody, { name: 'gateway of the EU', scopes: ['ingest:usage'] }),
    responses: {
      201: { description: 'The key.', schema: madeSchema, example: madeExample, headers: madeHeaders },
    },
    problems: ['invalid_request'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const body = await readJson(call, createBody)
      const expires = expiryOf(body.expires_at, nowMs())
      const key = { name: body.name, scopes: body.scopes, madeBy: call.caller.keyId, ...expires }
      const created = await createApiKey(kv, key, { nowMs, onChange: recordKeyChange(audit, call.caller) })
      return madeReply(created, nowMs())
    },
  }
}

function listRoute(kv: KV, nowMs: () => number): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/keys',
    access: admin,
    operationId: 'listApiKeys',
    tag: keysTag,
    summary: 'All API keys',
    description: 'The oldest first, revoked and expired ones too. Tokens are not among it.',
    responses: {
      200: {
        description: 'The keys.',
        schema: z.object({ keys: z.array(keySchema) }),
        example: { keys: [keyExample] },
      },
    },
    async handle(): Promise<ApiReply> {
      const keys = await listApiKeys(kv)
      return { status: 200, body: { keys: keys.map(key => viewOf(key, nowMs())) } }
    },
  }
}

function rotateRoute(kv: KV, audit: AuditTrail, nowMs: () => number): ApiRoute {
  return {
    audits: ['key.created', 'key.rotated'],
    method: 'POST',
    path: '/v1/keys/{id}/rotate',
    access: admin,
    operationId: 'rotateApiKey',
    tag: keysTag,
    summary: 'Replace an API key',
    description:
      'Makes a key with the same name and scopes; the old one goes on working for an overlap, a day unless another is ' +
      'named, and then expires.',
    params: keyParams,
    body: jsonBody(rotateBody, { overlap_seconds: 3600 }),
    responses: {
      201: { description: 'The new key.', schema: madeSchema, example: madeExample, headers: madeHeaders },
    },
    problems: ['invalid_request', 'not_found', 'key_not_in_force'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { overlap_seconds, expires_at } = await readJson(call, rotateBody)
      const expires = expiryOf(expires_at, nowMs())
      const terms = { overlapMs: overlap_seconds * 1000, madeBy: call.caller.keyId, ...expires }
      const sources = { nowMs, onChange: recordKeyChange(audit, call.caller) }
      const rotated = await rotateApiKey(kv, call.params['id'] ?? '', terms, sources)
      switch (rotated.kind) {
        case 'ok':
          return madeReply(rotated.created, nowMs())
        case 'not_found':
          throw noSuchKey()
        case 'not_in_force':
          throw new Problem('key_not_in_force', 'The key was revoked or has expired; make a new one.')
        default:
          return rotated satisfies never
      }
    },
  }
}

function revokeRoute(kv: KV, audit: AuditTrail, nowMs: () => number): ApiRoute {
  return {
    audits: ['key.revoked'],
    method: 'DELETE',
    path: '/v1/keys/{id}',
    access: admin,
    operationId: 'revokeApiKey',
    tag: keysTag,
    summary: 'Revoke an API key',
    description: 'At once and for ever. Revoking it again changes nothing.',
    params: keyParams,
    responses: {
      200: {
        description: 'The key, revoked.',
        schema: keySchema,
        example: { ...keyExample, status: 'revoked', revoked_at: '2026-02-01T00:00:00.000Z' },
      },
    },
    problems: ['not_found', 'last_admin_key'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const sources = { nowMs, onChange: recordKeyChange(audit, call.caller) }
      const revoked = await revokeApiKey(kv, call.params['id'] ?? '', sources)
      switch (revoked.kind) {
        case 'ok':
          return { status: 200, body: viewOf(revoked.record, nowMs()) }
        case 'not_found':
          throw noSuchKey()
        case 'last_admin_key':
          throw new Problem(
            'last_admin_key',
            'This is the last key with the scope admin. Make another one first, or rotate this one.',
          )
        default:
          return revoked satisfies never
      }
    },
  }
}

function expiryOf(text: string | null | undefined, nowMs: number): { readonly expiresAtMs?: number } {
  if (text == null) return {}
  const expiresAtMs = Date.parse(text)
  if (expiresAtMs > nowMs) return { expiresAtMs }
  const detail = 'The expiry is not in the future.'
  throw new Problem('invalid_request', detail, {
    errors: [{ pointer: '/expires_at', code: 'invalid_request', detail }],
  })
}

function madeReply({ record, token }: CreatedApiKey, nowMs: number): ApiReply {
  // A token must not stay in a cache on its way.
  const headers = { 'cache-control': 'no-store', location: `/v1/keys/${record.key_id}` }
  return { status: 201, body: { ...viewOf(record, nowMs), token }, headers }
}

function viewOf({ sha256: _hash, ...key }: ApiKeyRecord, nowMs: number) {
  const status = key.revoked_at !== null ? 'revoked' : isInForce(key, nowMs) ? 'active' : 'expired'
  return { ...key, status }
}

function noSuchKey(): Problem {
  return new Problem('not_found', 'There is no such key.')
}
