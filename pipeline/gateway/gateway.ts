// Creates the gateway: start, drain, close. Contract section 7.
// Owns: the HTTP server, admission, the publisher. The caller hands in the connection to the broker, the
// streams, the API keys, and the functions that tell readiness and pressure.
//
//   created ──start──▶ serving ──drain──▶ draining (in-flight finish, new ones get 503) ──close──▶ closed

import type { JetStreamClient } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { within } from '../broker/back-off.js'
import { Admission } from './admission.js'
import type { PublishingTrail } from './audit-trail.js'
import type { Authentication } from './authorize.js'
import type { EventProtection } from './event-protection.js'
import { EventPublisher } from './event-publisher.js'
import { type EventIntake, eventRoutes, type Pressure } from './events.js'
import { healthRoutes, type Readiness } from './health.js'
import { type GatewayLimits, gatewayLimits } from './limits.js'
import { openApiRoute } from './openapi.js'
import type { ApiRoute } from './route.js'
import { httpServer } from './server.js'
import { gatewayTelemetry } from './telemetry.js'
import { Turns } from './turns.js'

/** What events are taken with. */
export interface IntakeOptions {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly partitions: number
  readonly limits?: Partial<GatewayLimits>
  readonly audit: PublishingTrail
  /** Called for every event request; must be cheap. */
  readonly pressure: () => Pressure
  /** Stopped partitions, each with the reason. Default: none. */
  readonly stoppedPartitions?: () => ReadonlyMap<number, string>
  readonly registry: Registry
  /** Default: events are kept as they came. */
  readonly protection?: EventProtection
}

export interface GatewayOptions extends IntakeOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Default 0: a free port. */
  readonly port?: number
  /** A `KeyRing`, or `open` to require no key. */
  readonly keys: Authentication
  readonly log: Logger
  readonly readiness: () => Readiness
  readonly version: string
  /** What takes events, where others than this gateway have it too. Default: made of these options. */
  readonly intake?: EventIntake
  /** The routes of the features. They appear in the OpenAPI document beside the gateway's own. */
  readonly routes?: readonly ApiRoute[]
}

export interface Gateway {
  /** Listens. Rejects when the port is taken. */
  start(): Promise<{ readonly url: string; readonly port: number }>
  /** Refuses new requests with 503; resolves when the requests under way are answered, or at the deadline. */
  drain(): Promise<void>
  /** Stops listening and ends every connection. Idempotent. */
  close(): Promise<void>
}

const unbounded = {
  maxInFlightRequests: Number.POSITIVE_INFINITY,
  maxInFlightBytes: Number.POSITIVE_INFINITY,
  callerShare: 1,
}

const noProtection: EventProtection = { concerns: () => false, protect: async events => events }

export function openIntake(options: IntakeOptions): EventIntake {
  const limits = gatewayLimits(options.limits)
  const admission = new Admission(limits)
  const telemetry = gatewayTelemetry(options.registry, () => admission.inFlight())
  const publisher = new EventPublisher({ nc: options.nc, js: options.js, limits, telemetry })
  const { partitions, pressure, audit } = options
  const turns = new Turns()
  const stoppedPartitions = options.stoppedPartitions ?? (() => new Map())
  const parts = { partitions, limits, admission, turns, publisher, telemetry, audit }
  const protection = options.protection ?? noProtection
  return { ...parts, pressure, stoppedPartitions, protection }
}

export function createGateway(options: GatewayOptions): Gateway {
  const intake = options.intake ?? openIntake(options)
  const { limits, publisher, telemetry } = intake
  const requests = new Admission(unbounded)
  let isDraining = false
  const readiness = () => gatewayReadiness(options.readiness(), publisher.connected, isDraining)
  const app = httpServer({
    routes: allRoutes(options, intake, readiness),
    keys: options.keys,
    log: options.log,
    telemetry,
    requests,
    limits,
    draining: () => isDraining,
  })
  let closing: Promise<void> | undefined

  return {
    async start() {
      const host = options.host ?? '127.0.0.1'
      await app.listen({ host, port: options.port ?? 0 })
      const address = app.server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port }
    },
    async drain() {
      isDraining = true
      await within(limits.drainMs, requests.idle())
    },
    close() {
      isDraining = true
      closing ??= (async () => {
        const closed = app.close()
        await within(limits.drainMs, requests.idle())
        // Node counts a connection that never sent a request as busy, and would wait for that connection.
        app.server.closeAllConnections()
        await closed
      })()
      return closing
    },
  }
}

function allRoutes(
  options: GatewayOptions,
  intake: EventIntake,
  readiness: () => Readiness,
): readonly ApiRoute[] {
  const routes = [
    ...eventRoutes(intake),
    ...(options.routes ?? []),
    ...healthRoutes({ readiness, registry: options.registry, version: options.version }),
  ]
  return [...routes, openApiRoute(routes, options.version)]
}

function gatewayReadiness(given: Readiness, isConnected: boolean, isDraining: boolean): Readiness {
  const checks = [
    ...given.checks,
    { name: 'broker', ok: isConnected, detail: isConnected ? 'connected' : 'out of reach' },
    { name: 'gateway', ok: !isDraining, detail: isDraining ? 'draining' : 'serving' },
  ]
  return { ready: given.ready && isConnected && !isDraining, checks }
}
