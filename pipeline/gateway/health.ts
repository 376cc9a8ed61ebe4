// The routes for probes and operators: alive, ready, metrics, version.
// /livez and /readyz answer anyone with only a status, because probes carry no key; the checks behind the
// status, the metrics and the version need the `read` scope or a caller on this machine.

import type { Registry } from 'prom-client'
import { z } from 'zod'
import { aboutTag } from './openapi.js'
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

const checksSchema = z
  .array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() }).meta({ id: 'ReadinessCheck' }))
  .optional()
  .describe('What readiness rests on. Shown to the scope `read`, and to a caller on this machine')
const livenessSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Liveness' })
const readinessSchema = z
  .object({ status: z.literal('ready'), checks: checksSchema })
  .meta({ id: 'Readiness' })
const versionSchema = z
  .object({ name: z.literal('weir'), version: z.string(), node: z.string() })
  .meta({ id: 'Version' })
const near = { kind: 'scope_or_loopback', anyOf: ['read'] } as const

export function healthRoutes(sources: HealthSources): readonly ApiRoute[] {
  return [livenessRoute(), readinessRoute(sources), metricsRoute(sources), versionRoute(sources)]
}

function livenessRoute(): ApiRoute {
  return {
    method: 'GET',
    path: '/livez',
    access: { kind: 'anyone' },
    operationId: 'getLiveness',
    tag: aboutTag,
    summary: 'Whether the process answers',
    description: 'For a probe that restarts the process: it says nothing of the servers behind it.',
    responses: {
      200: { description: 'It does.', schema: livenessSchema, example: { status: 'ok' } },
    },
    isAlwaysOpen: true,
    handle: async () => ({ status: 200, body: { status: 'ok' } }),
  }
}

function readinessRoute(sources: HealthSources): ApiRoute {
  return {
    method: 'GET',
    path: '/readyz',
    access: { kind: 'anyone' },
    operationId: 'getReadiness',
    tag: aboutTag,
    summary: 'Whether events are taken now',
    description:
      'For a probe that sends traffic elsewhere. Anyone sees the status; the checks behind it are shown to the scope ' +
      '`read`, and to a caller on this machine.',
    responses: {
      200: {
        description: 'Events are taken.',
        schema: readinessSchema,
        example: { status: 'ready', checks: [{ name: 'broker', ok: true, detail: 'connected' }] },
      },
    },
    problems: ['not_ready'],
    problemMembers: { 503: z.object({ checks: checksSchema }) },
    isAlwaysOpen: true,
    handle: async call => readinessReply(sources.readiness(), holds(call.caller, 'read')),
  }
}

function metricsRoute(sources: HealthSources): ApiRoute {
  return {
    method: 'GET',
    path: '/metrics',
    access: near,
    operationId: 'getMetrics',
    tag: aboutTag,
    summary: 'Metrics for Prometheus',
    description: 'The Prometheus text format, version 0.0.4. A caller on this machine needs no key.',
    responses: {
      200: {
        description: 'The metrics.',
        schema: z.string(),
        example: '# HELP weir_commits_total Commits\n# TYPE weir_commits_total counter\n',
        contentType: 'text/plain',
      },
    },
    isAlwaysOpen: true,
    handle: async () => ({
      status: 200,
      body: await sources.registry.metrics(),
      contentType: sources.registry.contentType,
    }),
  }
}

function versionRoute(sources: HealthSources): ApiRoute {
  return {
    method: 'GET',
    path: '/version',
    access: near,
    operationId: 'getVersion',
    tag: aboutTag,
    summary: 'The version that runs',
    description: 'Of Weir, and of Node under it. A caller on this machine needs no key.',
    responses: {
      200: {
        description: 'The version.',
        schema: versionSchema,
        example: { name: 'weir', version: '0.1.0', node: 'v20.20.0' },
      },
    },
    isAlwaysOpen: true,
    handle: async () => ({
      status: 200,
      body: { name: 'weir', version: sources.version, node: process.version },
    }),
  }
}

function readinessReply(readiness: Readiness, showChecks: boolean): ApiReply {
  const checks = showChecks ? { checks: readiness.checks } : {}
  if (readiness.ready) return { status: 200, body: { status: 'ready', ...checks } }
  const failing = readiness.checks.filter(check => !check.ok).map(check => check.name)
  const detail = showChecks && failing.length > 0 ? `Not ready: ${failing.join(', ')}.` : 'Not ready.'
  throw new Problem('not_ready', detail, { headers: { 'retry-after': '1' }, extra: checks })
}
