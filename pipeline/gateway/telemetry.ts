// The gateway's metrics, recorded by named events; in the gateway only this file uses prom-client.
// Labels are bounded: they are routes and codes of the gateway, never values that a client chose.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface GatewayTelemetry {
  requestFinished(route: string, method: string, status: number, seconds: number): void
  /** Once per request: the accepted events, and their bytes as received. */
  eventsAccepted(count: number, bytes: number): void
  eventsRejected(code: string, count: number): void
  messagePublished(stream: string, events: number, bytes: number, seconds: number): void
  publishRetried(stream: string): void
  publishFailed(stream: string): void
  clientGone(): void
}

export interface InFlight {
  readonly requests: number
  readonly bytes: number
}

export function gatewayTelemetry(registry: Registry, inFlight: () => InFlight): GatewayTelemetry {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `weir_gateway_${name}`, help, labelNames, registers })
  const seconds = new Histogram({
    name: 'weir_gateway_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  })
  const publishSeconds = new Histogram({
    name: 'weir_gateway_publish_seconds',
    help: 'Time until the broker had a message on disk',
    labelNames: ['stream'] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
    registers,
  })
  const accepted = counter('events_accepted_total', 'Events that the broker has on disk')
  const acceptedBytes = counter('body_bytes_total', 'Bytes of bodies whose events were taken')
  const rejected = counter('events_rejected_total', 'Events refused at the door, by code', ['code'])
  const messages = counter('messages_published_total', 'Messages acknowledged by the broker', ['stream'])
  const messageBytes = counter('message_bytes_total', 'Bytes of those messages', ['stream'])
  const messageEvents = counter('message_events_total', 'Events in those messages', ['stream'])
  const retried = counter('publish_retries_total', 'Tries after the first', ['stream'])
  const failed = counter('publish_failures_total', 'Messages given up', ['stream'])
  const gone = counter('clients_gone_total', 'Requests whose client left before its body had come')
  inFlightGauges(registry, inFlight)

  return {
    requestFinished: (route, method, status, took) =>
      seconds.observe({ route, method, status: String(status) }, took),
    eventsAccepted(count, bytes) {
      accepted.inc(count)
      acceptedBytes.inc(bytes)
    },
    eventsRejected: (code, count) => rejected.inc({ code }, count),
    messagePublished(stream, events, bytes, took) {
      messages.inc({ stream })
      messageBytes.inc({ stream }, bytes)
      messageEvents.inc({ stream }, events)
      publishSeconds.observe({ stream }, took)
    },
    publishRetried: stream => retried.inc({ stream }),
    publishFailed: stream => failed.inc({ stream }),
    clientGone: () => gone.inc(),
  }
}

function inFlightGauges(registry: Registry, inFlight: () => InFlight): void {
  new Gauge({
    name: 'weir_gateway_requests_in_flight',
    help: 'Event requests at work',
    registers: [registry],
    collect() {
      this.set(inFlight().requests)
    },
  })
  new Gauge({
    name: 'weir_gateway_bytes_in_flight',
    help: 'Bytes of bodies at work',
    registers: [registry],
    collect() {
      this.set(inFlight().bytes)
    },
  })
}
