// The routes for another build that compares itself with this one, in a process of its own: that it does so is put on
// record, and what each partition owes is told as of one commit. That build reads the streams itself.

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { z } from 'zod'
import { ndjsonType } from '../../schemas/event/media-types.js'
import { formatInstant } from '../../schemas/time.js'
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
  readQuery,
} from '../gateway/route.js'
import { ShadowRefusal } from '../shadow/shadow-refusal.js'
import { comparisonSchema, headOf } from './build-comparison.js'
import { stretchOf } from './replay-partition.js'
import { instantOf } from './replay-request.js'

type Parts = Pick<FeatureParts, 'audit' | 'config' | 'jsm' | 'shadows'>

/** Copies take turns; whoever asks gives up waiting after five minutes. */
const longestMs = 240_000
/** Compressed, of one partition. */
const mostBytes = 256 * 2 ** 20

const instant = z.string().meta({ format: 'date-time' })
const stretch = {
  from: instant.describe('An instant, or a day in UTC: charges whose period begins from here on'),
  until: instant.describe('An instant, or a day in UTC'),
  customer_id: z.string().min(1).max(256).optional().describe('Of one customer alone'),
}
const comparisonBody = z.strictObject({
  ...stretch,
  build: z.string().min(1).max(400).describe('Which build compares itself: its version, and where it lies'),
  source: z.enum(['auto', 'input', 'history']).default('auto').describe('What it reads again'),
  catalog_hash: z.string().max(100).optional().describe('Of the terms that it tries'),
  reason: z.string().max(1_000).optional(),
})
const owedQuery = z.object({
  ...stretch,
  partition: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .describe('Of how many, `POST /v1/build-comparisons` says'),
})

const exampleStretch = { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' }
const exampleHead = {
  partition: 0,
  commit: 812,
  checkpoint_seq: 4_021,
  end_seq: 4_024,
  positions: { CATALOG: 1, LIFECYCLE: 310, METERING: 90_215 },
}

export function comparisonRoutes(parts: Parts, tag: ApiTag): readonly ApiRoute[] {
  return [beginRoute(parts, tag), owedRoute(parts, tag)]
}

function beginRoute({ audit, config, jsm, shadows }: Parts, tag: ApiTag): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/build-comparisons',
    audits: ['replay.started'],
    access: needs('operate'),
    operationId: 'beginBuildComparison',
    tag,
    summary: 'Another build compares itself with this one',
    description:
      'Puts on record that another build replays a stretch in a process of its own, and tells what it must know of this Weir. ' +
      'Nothing else comes of it here.',
    body: jsonBody(comparisonBody, { ...exampleStretch, build: '0.2.0 (/srv/weir-next)' }),
    responses: {
      200: {
        description: 'What the other build must know.',
        schema: comparisonSchema,
        example: {
          partitions: 16,
          ledger_created: '2026-01-05T09:00:00.123456789Z',
          state_format: 6,
          dedupe_horizon_days: 35,
          parked_ttl_days: 7,
        },
      },
    },
    problems: ['invalid_request'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { reason, ...asked } = await readJson(call, comparisonBody)
      const after = { ...asked, ...instantsOf(asked) }
      const object = { kind: 'replay', id: `${after.from}/${after.until}` }
      const told = reason === undefined ? {} : { reason }
      const { created } = await jsm.streams.info('LEDGER')
      await audit.record({ caller: call.caller, act: 'replay.started', object, after, ...told })
      const body = {
        partitions: config.partitions,
        ledger_created: created,
        state_format: shadows.stateFormat,
        dedupe_horizon_days: config.dedupeHorizonDays,
        parked_ttl_days: config.parkedTtlDays,
      }
      return { status: 200, body }
    },
  }
}

function owedRoute({ config, shadows }: Parts, tag: ApiTag): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/owed-charges',
    access: needs('operate'),
    operationId: 'listOwedCharges',
    tag,
    summary: 'What a partition owes, as of one commit',
    description:
      'Every charge whose service period begins in the stretch, open ones as they stand, computed from a copy of the newest ' +
      'state. The first line says which commit that is and how far each input had been processed; each other line is a charge.',
    query: owedQuery,
    responses: {
      200: {
        description: 'Lines of JSON.',
        schema: z.string(),
        example: `${JSON.stringify(exampleHead)}\n`,
        contentType: ndjsonType,
        headers: { 'content-encoding': '`gzip`, to whoever takes it.' },
      },
    },
    problems: ['invalid_request', 'not_found', 'shadow_busy', 'shadow_too_large'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { partition, customer_id = null, ...query } = readQuery(call, owedQuery)
      const asked = { ...instantsOf(query), customer_id }
      if (partition >= config.partitions)
        throw new Problem('not_found', `There is no partition ${partition}.`)
      const isZipped = /\bgzip\b/.test(String(call.headers['accept-encoding'] ?? ''))
      const lines = new CollectedLines(isZipped)
      const signal = AbortSignal.timeout(longestMs)
      try {
        const write = (page: Uint8Array) => lines.add(page)
        const at = await shadows.owedBy(partition, stretchOf(asked), signal, write)
        const body = await lines.after(`${JSON.stringify(headOf(partition, at))}\n`)
        const headers = isZipped ? { 'content-encoding': 'gzip' } : {}
        return { status: 200, body, contentType: ndjsonType, headers }
      } catch (error) {
        if (error instanceof ShadowRefusal) throw problemOf(error)
        if (!signal.aborted) throw error
        const detail = 'Another copy took the whole time of this request.'
        throw new Problem('shadow_busy', detail, { headers: { 'retry-after': '10' } })
      }
    },
  }
}

function instantsOf({ from, until }: { readonly from: string; readonly until: string }) {
  return { from: formatInstant(instantOf(from, 'from')), until: formatInstant(instantOf(until, 'until')) }
}

function problemOf({ code, message }: ShadowRefusal): Problem {
  return code === 'no_state' ? new Problem('not_found', message) : new Problem('shadow_too_large', message)
}

const zip = promisify(gzip)

/** An answer that is made whole before it is sent, so that the copy is given back whatever becomes of the client. */
class CollectedLines {
  readonly #isZipped: boolean
  readonly #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(isZipped: boolean) {
    this.#isZipped = isZipped
  }

  async add(lines: Uint8Array): Promise<void> {
    const piece = this.#isZipped ? await zip(lines) : lines
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > mostBytes) {
      const detail = 'The partition owes more charges than are told at once; ask for a shorter stretch.'
      throw new ShadowRefusal('shadow_too_large', detail)
    }
  }

  /** Parts that are compressed each by itself are one stream of gzip (RFC 1952, 2.2). */
  async after(head: string): Promise<Uint8Array> {
    const first = Buffer.from(head)
    return Buffer.concat([this.#isZipped ? await zip(first) : first, ...this.#pieces])
  }
}
