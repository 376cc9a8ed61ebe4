// POST /v1/webhooks/{source}: proves who sent it, keeps the bytes, answers. Contract section 12.
// Invariants:
// 1. I1: a 2xx is given after the broker has every arrival of the request on disk; a duplicate is answered as success.
// 2. What is not proven leaves a counter and nothing else: no byte of it is stored or logged.
// 3. A stranger holds at most `in_flight` bodies of `body_kb` in memory, each for a few seconds, and nothing on disk, and makes way
//    for others when all places are taken (reading-places.ts); what is proven is bounded by `per_second` and by the size of the stream.
// 4. No answer and no log holds a secret, a signature or a part of a body.

import type { IncomingHttpHeaders } from 'node:http'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { WeirConfig } from '../../config/config.js'
import type { FlowGate } from '../../deliver/flow-gate.js'
import { Problem, unavailable } from '../../gateway/problem.js'
import { readBody } from '../../gateway/read-body.js'
import type { ApiCall, ApiReply, ApiRoute, ApiTag } from '../../gateway/route.js'
import type { ArrivalLog } from '../arrival-log.js'
import { fullness } from '../fullness.js'
import type { OpenSource } from '../open-sources.js'
import type { ArrivalDraft, Verified } from '../source-kind.js'
import type { SourceTelemetry } from '../telemetry.js'
import { ReadingPlaces } from './reading-places.js'
import { SignedRate } from './signed-rate.js'
import { secretsOf } from './source-secrets.js'

export const sourcesTag: ApiTag = {
  name: 'Sources',
  description: 'What systems of record send, and what becomes of it.',
}

export interface DoorParts {
  readonly sources: readonly OpenSource[]
  readonly arrivals: ArrivalLog
  readonly flow: Pick<FlowGate, 'summary'>
  readonly config: Pick<WeirConfig, 'folder' | 'variable'>
  readonly telemetry: SourceTelemetry
  readonly log: Logger
  readonly maxBytes: number
  readonly nowMs: () => number
  /** For tests: how long a body may stand still. */
  readonly bodyIdleMs?: number
}

const bodyTimeoutMs = 10_000
const bodyIdleMs = 3_000
const heldRetrySeconds = 60
const shortRetrySeconds = 5

const params = z.object({
  source: z
    .string()
    .describe('The name of a source')
    .meta({ examples: ['stripe'] }),
})
const answer = z
  .object({
    arrivals: z.int().describe('That are on disk now'),
    duplicates: z.int().describe('Of them, those that were there before'),
  })
  .meta({ id: 'WebhookTaken' })

interface Guarded extends OpenSource {
  readonly rate: SignedRate
  readonly places: ReadingPlaces
}

export function doorRoute(parts: DoorParts): ApiRoute {
  const { nowMs } = parts
  const sources = new Map<string, Guarded>(
    parts.sources
      .filter(({ kind }) => kind.proof !== 'none')
      .map(one => [
        one.settings.name,
        {
          ...one,
          rate: new SignedRate(one.settings.limits.perSecond, nowMs),
          places: new ReadingPlaces(one.settings.limits.inFlight, nowMs),
        },
      ]),
  )
  const isFull = fullness(parts.arrivals, parts.maxBytes, nowMs)
  return {
    method: 'POST',
    path: '/v1/webhooks/{source}',
    audits: { exempt: 'what a system of record says is kept as it came' },
    access: { kind: 'anyone' },
    operationId: 'takeWebhook',
    tag: sourcesTag,
    summary: 'Take what a system of record sends',
    description:
      'No API key: the signature, or the login of basic authentication, is the proof. The bytes are on disk as they came ' +
      'before the answer; what they mean is found out after it. What was sent before is answered as success. While Weir is ' +
      'read-only or frozen the answer is 503, and the sender sends again.',
    params,
    body: {
      required: true,
      content: { 'application/json': { schema: z.unknown(), example: { id: 'evt_1' } } },
    },
    responses: {
      200: { description: 'It is on disk.', schema: answer, example: { arrivals: 1, duplicates: 0 } },
    },
    problems: [
      'not_found',
      'not_proven',
      'body_too_large',
      'too_many_arrivals',
      'source_unavailable',
      'arrivals_full',
      'broker_unavailable',
    ],
    async handle(call) {
      const source = sources.get(call.params['source'] ?? '')
      if (source === undefined) throw new Problem('not_found', 'There is no such resource.')
      const began = performance.now()
      try {
        const reply = await take(source, call, parts, isFull)
        parts.telemetry.answered(source.settings.name, 'taken', (performance.now() - began) / 1000)
        return reply
      } catch (error) {
        const code = error instanceof Problem ? error.code : 'failed'
        parts.telemetry.answered(source.settings.name, code, (performance.now() - began) / 1000)
        throw error
      }
    },
  }
}

async function take(
  source: Guarded,
  call: ApiCall,
  parts: DoorParts,
  isFull: () => boolean,
): Promise<ApiReply> {
  const { settings } = source
  const { mode } = parts.flow.summary()
  if (mode !== 'normal')
    throw unavailable(
      'source_unavailable',
      `Weir is ${mode.replace('_', '-')}; send it again later.`,
      heldRetrySeconds,
    )
  const place = source.places.take(call.address ?? '')
  if (place === undefined)
    throw unavailable('too_many_arrivals', 'Too much comes at once.', shortRetrySeconds)
  try {
    const body = await readBody(call.body, call.headers, {
      maxBytes: settings.limits.bodyBytes,
      signal: place.taken,
      timeoutMs: bodyTimeoutMs,
      idleMs: parts.bodyIdleMs ?? bodyIdleMs,
      retryAfterSeconds: shortRetrySeconds,
    })
    place.isRead()
    return await keep(source, prove(source, call, body, parts), parts, isFull)
  } finally {
    place.leave()
  }
}

function prove(source: Guarded, call: ApiCall, body: Buffer, parts: DoorParts): readonly ArrivalDraft[] {
  const { settings, loaded } = source
  const { secrets, troubles } = secretsOf(settings, parts.config)
  for (const detail of troubles)
    parts.log.error({ source: settings.name, code: 'credentials_missing', detail }, 'a secret cannot be read')
  if (secrets.signing.length + secrets.basic.length === 0)
    throw unavailable(
      'source_unavailable',
      'This cannot be proven now; send it again later.',
      heldRetrySeconds,
    )
  const request = { path: `/v1/webhooks/${settings.name}`, headers: firstOfEach(call.headers), body }
  let verified: Verified
  try {
    verified = loaded.verify(request, secrets, parts.nowMs(), settings)
  } catch (error) {
    // A bug in a kind lets nothing in.
    parts.log.error({ source: settings.name, err: error }, 'a request could not be judged')
    verified = { kind: 'refused', code: 'signature_invalid' }
  }
  if (verified.kind === 'proven') return verified.arrivals
  parts.telemetry.refused(settings.name, verified.code) // invariant 2
  throw new Problem('not_proven', refusalWords[verified.code])
}

const refusalWords = {
  signature_missing: 'The request holds no proof of who sent it.',
  signature_invalid: 'The proof of who sent it does not hold.',
  signature_too_old: 'The signature is too old, or from the future.',
} as const

async function keep(
  { settings, rate }: Guarded,
  drafts: readonly ArrivalDraft[],
  { arrivals, telemetry }: DoorParts,
  isFull: () => boolean,
): Promise<ApiReply> {
  const waitSeconds = rate.take(drafts.length)
  if (waitSeconds !== undefined)
    throw unavailable('too_many_arrivals', 'Too much has come; send it again later.', waitSeconds)
  if (isFull()) throw unavailable('arrivals_full', 'No more is kept until room is made.', heldRetrySeconds)
  const kept = await Promise.all(drafts.map(draft => arrivals.keep(settings.name, draft, 'webhook')))
  if (kept.some(({ kind }) => kind === 'failed'))
    throw unavailable('broker_unavailable', 'It is not on disk; send it again.', shortRetrySeconds) // invariant 1
  const duplicates = kept.filter(({ kind }) => kind === 'duplicate').length
  telemetry.kept(settings.name, kept.length - duplicates, duplicates)
  return { status: 200, body: { arrivals: kept.length, duplicates } }
}

function firstOfEach(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const text = Array.isArray(value) ? value[0] : value
      return text === undefined ? [] : [[name, text]]
    }),
  )
}
