// The routes of API keys: make, list, rotate, revoke. Contract section 7.
// Invariant: a token is sent once, in the answer to the request that created it.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { jsonType } from '../../schemas/event/media-types.js'
import {
  type ApiKeyRecord,
  type CreatedApiKey,
  createApiKey,
  isInForce,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from '../gateway/api-keys.js'
import { Problem } from '../gateway/problem.js'
import { type ApiCall, type ApiReply, type ApiRoute, needs, readJson } from '../gateway/route.js'
import { scopes } from '../gateway/scopes.js'

const admin = needs('admin')
const keyParams = z.object({ id: z.string() })
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
  })
  .meta({ id: 'ApiKey' })

const madeSchema = keySchema
  .extend({ token: z.string().describe('Shown this once: only its hash is kept') })
  .meta({ id: 'MadeApiKey' })

export function keyRoutes(kv: KV, nowMs: () => number = Date.now): readonly ApiRoute[] {
  return [createRoute(kv, nowMs), listRoute(kv, nowMs), rotateRoute(kv, nowMs), revokeRoute(kv, nowMs)]
}

function createRoute(kv: KV, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/keys',
    access: admin,
    operationId: 'createApiKey',
    summary: 'Make an API key; its token is in this answer and nowhere else',
    body: { contentTypes: [jsonType], schema: createBody },
    responses: { 201: { description: 'The key', schema: madeSchema } },
    async handle(call: ApiCall): Promise<ApiReply> {
      const body = await readJson(call, createBody)
      const expires = expiryOf(body.expires_at, nowMs())
      const created = await createApiKey(kv, { name: body.name, scopes: body.scopes, ...expires }, { nowMs })
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
    summary: 'All keys, the oldest first, revoked and expired ones too',
    responses: { 200: { description: 'The keys', schema: z.object({ keys: z.array(keySchema) }) } },
    async handle(): Promise<ApiReply> {
      const keys = await listApiKeys(kv)
      return { status: 200, body: { keys: keys.map(key => viewOf(key, nowMs())) } }
    },
  }
}

function rotateRoute(kv: KV, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/keys/{id}/rotate',
    access: admin,
    operationId: 'rotateApiKey',
    summary: 'Make a key with the same name and scopes; the old one expires after an overlap',
    params: keyParams,
    body: { contentTypes: [jsonType], schema: rotateBody },
    responses: {
      201: { description: 'The new key', schema: madeSchema },
      404: { description: 'There is no such key' },
      409: { description: 'The key was revoked or has expired' },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const { overlap_seconds, expires_at } = await readJson(call, rotateBody)
      const terms = { overlapMs: overlap_seconds * 1000, ...expiryOf(expires_at, nowMs()) }
      const rotated = await rotateApiKey(kv, call.params['id'] ?? '', terms, { nowMs })
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

function revokeRoute(kv: KV, nowMs: () => number): ApiRoute {
  return {
    method: 'DELETE',
    path: '/v1/keys/{id}',
    access: admin,
    operationId: 'revokeApiKey',
    summary: 'Revoke a key, at once and for ever; revoking again changes nothing',
    params: keyParams,
    responses: {
      200: { description: 'The key, revoked', schema: keySchema },
      404: { description: 'There is no such key' },
      409: { description: 'It is the last key with the scope admin' },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const revoked = await revokeApiKey(kv, call.params['id'] ?? '', { nowMs })
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
