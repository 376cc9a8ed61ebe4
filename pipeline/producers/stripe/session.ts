// The sessions of Stripe's stream of meter events: a client gets a token for 15 minutes. Here the token is an API key of that
// life, which may send usage and nothing else; who asks must be allowed to do that.
// Invariants:
// 1. A key has few sessions at a time, and those that have ended are removed, so that asking makes no heap of keys.
// 2. A session begins no other one and ends with the key that began it, so that nobody sends for longer than that key may.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { createApiKey, readKey } from '../../gateway/api-keys.js'
import type { AuditTrail } from '../../gateway/audit-trail.js'
import { recordKeyChange } from '../../gateway/key-audit.js'
import { Problem, unavailable } from '../../gateway/problem.js'
import { type ApiRoute, jsonBody, readJson } from '../../gateway/route.js'
import { ingestsUsage, producersTag } from '../producer-route.js'
import { v2Refusals } from './refusals.js'

const sessionMs = 15 * 60_000
const maxSessions = 100

const sessionSchema = z
  .object({
    id: z.string(),
    object: z.literal('v2.billing.meter_event_session'),
    authentication_token: z.string().describe('A key of 15 minutes for the stream'),
    created: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    livemode: z.literal(true),
  })
  .meta({ id: 'StripeMeterEventSession' })

/** Clients send nothing, or an object without anything in it that matters. */
const noFields = z.looseObject({})

const begun = {
  description: 'The session.',
  schema: sessionSchema,
  headers: { 'cache-control': 'no-store: the token is in no cache.' },
  example: {
    id: 'mes_0123456789ab',
    object: 'v2.billing.meter_event_session',
    authentication_token: 'weir_0123456789ab_…',
    created: '2026-01-31T12:00:00.000Z',
    expires_at: '2026-01-31T12:15:00.000Z',
    livemode: true,
  },
} as const

interface Session {
  readonly keyId: string
  readonly madeBy: string
  readonly endMs: number
}

export function sessionRoute(keys: KV, audit: AuditTrail, nowMs: () => number = Date.now): ApiRoute {
  const open = new Set<Session>()
  return {
    method: 'POST',
    path: '/v2/billing/meter_event_session',
    audits: ['key.created'],
    access: ingestsUsage,
    operationId: 'createStripeMeterEventSession',
    tag: producersTag,
    summary: 'Begin a session of Stripe’s stream',
    description:
      'For Stripe’s clients. The token is an API key that may send usage for 15 minutes; it is in this answer alone.',
    body: jsonBody(noFields, {}),
    responses: { 200: begun },
    problems: ['too_much_in_flight'],
    refusals: v2Refusals,
    async handle(call) {
      await readJson(call, noFields)
      const { caller } = call
      const now = nowMs()
      await removeEnded(keys, open, now)
      const madeBy = caller.keyId ?? ''
      const parent = (await readKey(keys, madeBy))?.record
      if (parent !== undefined && parent.ends_with !== null)
        throw new Problem('insufficient_scope', 'The token of a session begins no session: use the API key.') // invariant 2
      if ([...open].filter(one => one.madeBy === madeBy).length >= maxSessions)
        throw unavailable(
          'too_much_in_flight',
          `This key has ${maxSessions} sessions under way.`,
          sessionMs / 1000,
        )
      const endMs = Math.min(
        now + sessionMs,
        Date.parse(parent?.expires_at ?? '') || Number.POSITIVE_INFINITY,
      )
      const made = await createApiKey(
        keys,
        {
          name: 'meter event session',
          scopes: ['ingest:usage'],
          expiresAtMs: endMs,
          madeBy: caller.keyId,
          endsWith: caller.keyId,
        },
        { nowMs: () => now, onChange: recordKeyChange(audit, caller) },
      )
      open.add({ keyId: made.keyId, madeBy, endMs })
      const session = {
        id: `mes_${made.keyId}`,
        object: 'v2.billing.meter_event_session',
        authentication_token: made.token,
        created: new Date(now).toISOString(),
        expires_at: new Date(endMs).toISOString(),
        livemode: true,
      }
      return { status: 200, body: session, headers: { 'cache-control': 'no-store' } }
    },
  }
}

async function removeEnded(keys: KV, open: Set<Session>, nowMs: number): Promise<void> {
  for (const session of open) {
    if (session.endMs > nowMs) continue
    await keys.purge(session.keyId)
    open.delete(session)
  }
}
