// The routes for probes and operators: alive, ready, metrics, version.
// /livez and /readyz answer anyone with only a status, because probes carry no key; the checks behind the
// status, the metrics and the version need the `read` scope or a caller on this machine.

import type { Registry } from 'prom-client'
import { z } from 'zod'
import { Problem } from './problem.js'
import type { ApiReply, ApiRoute } from './route.js'
import { holds } from './scopes.js'

export interface ReadinessCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

export interface Readiness {
  readonly ready: boolean
  readonly checks: readonly ReadinessCheck[]
}

export interface HealthSources {
  readiness(): Readiness
  readonly registry: Registry
  readonly version: string
}

const statusSchema = z.object({
  status: z.string(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })).optional(),
})
const versionSchema = z.object({ name: z.literal('weir'), version: z.string(), node: z.string() })
const near = { kind: 'scope_or_loopback', anyOf: ['read'] } as const

export function healthRoutes(sources: HealthSources): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/livez',
      access: { kind: 'anyone' },
      operationId: 'getLiveness',
      summary: 'Whether the process answers',
      responses: { 200: { description: 'It does', schema: statusSchema } },
      handle: async () => ({ status: 200, body: { status: 'ok' } }),
    },
    {
      method: 'GET',
      path: '/readyz',
      access: { kind: 'anyone' },
      operationId: 'getReadiness',
      summary: 'Whether events are taken now; the checks are shown to the read scope and on loopback',
      responses: {
        200: { description: 'Ready', schema: statusSchema },
        503: { description: 'Not ready; a problem with `checks`' },
      },
      handle: async call => readinessReply(sources.readiness(), holds(call.caller, 'read')),
    },
    {
      method: 'GET',
      path: '/metrics',
      access: near,
      operationId: 'getMetrics',
      summary: 'Metrics in the Prometheus text format',
      responses: {
        200: { description: 'The metrics', schema: z.string(), contentType: 'text/plain' },
      },
      handle: async () => ({
        status: 200,
        body: await sources.registry.metrics(),
        contentType: sources.registry.contentType,
      }),
    },
    {
      method: 'GET',
      path: '/version',
      access: near,
      operationId: 'getVersion',
      summary: 'The version that runs',
      responses: { 200: { description: 'The version', schema: versionSchema } },
      handle: async () => ({
        status: 200,
        body: { name: 'weir', version: sources.version, node: process.version },
      }),
    },
  ]
}

function readinessReply(readiness: Readiness, showChecks: boolean): ApiReply {
  const checks = showChecks ? { checks: readiness.checks } : {}
  if (readiness.ready) return { status: 200, body: { status: 'ready', ...checks } }
  const failing = readiness.checks.filter(check => !check.ok).map(check => check.name)
  const detail = showChecks && failing.length > 0 ? `Not ready: ${failing.join(', ')}.` : 'Not ready.'
  throw new Problem('not_ready', detail, { headers: { 'retry-after': '1' }, extra: checks })
}
