// The HTTP server around the routes: authentication, problems, limits of the connection, telemetry. Only this
// file uses Fastify.
// Invariants: every refusal is a problem (404, 405 and broken HTTP too); a bug is logged and answered with
// 500 without its text; an unread body never keeps a connection busy for longer than the body's deadline.

import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import type { Logger } from 'pino'
import { jsonType, problemType } from '../../schemas/event/media-types.js'
import type { Admission } from './admission.js'
import { type Authentication, authorize } from './authorize.js'
import { capConnections } from './connection-cap.js'
import type { GatewayLimits } from './limits.js'
import { Problem, unavailable } from './problem.js'
import type { ProblemCode } from './problem-codes.js'
import { ClientGone } from './read-body.js'
import type { ApiReply, ApiRoute } from './route.js'
import { type Caller, unknownCaller } from './scopes.js'
import type { GatewayTelemetry } from './telemetry.js'

export interface HttpServerOptions {
  readonly routes: readonly ApiRoute[]
  readonly keys: Authentication
  readonly log: Logger
  readonly telemetry: GatewayTelemetry
  /** Counts the requests that are being answered. */
  readonly requests: Admission
  readonly limits: GatewayLimits
  /** While true, every route that is not always open answers 503. */
  draining(): boolean
}

export function httpServer(options: HttpServerOptions): FastifyInstance {
  const { limits } = options
  const app = Fastify({
    logger: false,
    // A body has its own deadline; these time-outs close connections that never complete a request.
    requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs + 10_000,
    http: { headersTimeout: limits.headersTimeoutMs, connectionsCheckingInterval: 1_000 },
    routerOptions: { maxParamLength: 512 },
    return503OnClosing: false,
    clientErrorHandler: answerBrokenHttp,
    frameworkErrors: (error, request, reply) => sendProblem(problemOf(error, options, request), reply),
  })
  capConnections(app.server, limits.maxConnections)
  // The routes read the bodies themselves, so that a request can be refused before its body is read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  app.setErrorHandler((error, request, reply) => sendProblem(problemOf(error, options, request), reply))
  app.setNotFoundHandler((request, reply) => sendProblem(unknownRoute(options.routes, request), reply))
  app.addHook('onRequest', async (_request, reply) => {
    const seat = options.requests.enter(undefined)
    reply.raw.once('close', () => seat?.leave())
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    options.telemetry.requestFinished(route, request.method, reply.statusCode, reply.elapsedTime / 1000)
  })
  const claiming = options.routes.filter(route => route.claims !== undefined)
  for (const route of options.routes) {
    if (route.claims === undefined)
      register(app, { route, claiming: claiming.filter(sharing(route)) }, options)
  }
  return app
}

function sharing({ method, path }: ApiRoute): (other: ApiRoute) => boolean {
  return other => other.method === method && other.path === path
}

interface Registered {
  readonly route: ApiRoute
  /** Routes of the same path and method that say which requests are theirs. */
  readonly claiming: readonly ApiRoute[]
}

function register(app: FastifyInstance, { route, claiming }: Registered, options: HttpServerOptions): void {
  const callers = new WeakMap<object, Caller>()
  const claimed = new WeakMap<object, ApiRoute>()
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    async onRequest(request) {
      // Fastify would judge the type of a body that the route does not read.
      if (route.body === undefined) delete request.raw.headers['content-type']
      if (options.draining() && route.isAlwaysOpen !== true) throw shuttingDown()
      callers.set(request.raw, await authorize(request.raw, route.access, options.keys))
    },
    async handler(request, reply) {
      const call = {
        params: request.params as Record<string, string>,
        query: request.query as Record<string, unknown>,
        headers: request.headers,
        body: request.raw as Readable,
        caller: callers.get(request.raw) ?? unknownCaller,
        address: request.raw.socket.remoteAddress ?? '',
      }
      for (const other of claiming) {
        if ((await other.claims?.(call)) !== true) continue
        claimed.set(request.raw, other)
        return sendReply(await other.handle(call), reply)
      }
      return sendReply(await route.handle(call), reply)
    },
    errorHandler(error, request, reply) {
      const problem = problemOf(error, options, request)
      const { refusals } = claimed.get(request.raw) ?? route
      if (refusals === undefined) sendProblem(problem, reply)
      else sendReply(refusals.answer(problem), reply)
    },
  })
}

function sendReply(answer: ApiReply, reply: FastifyReply): FastifyReply {
  reply.code(answer.status)
  for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value)
  if (answer.body === undefined) return reply.send()
  reply.header('content-type', answer.contentType ?? jsonType)
  if (answer.body instanceof Uint8Array) return reply.send(answer.body)
  return reply.send(bytesOf(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)))
}

function sendProblem(problem: Problem, reply: FastifyReply): FastifyReply {
  for (const [name, value] of Object.entries(problem.headers)) reply.header(name, value)
  return reply
    .code(problem.status)
    .header('content-type', problemType)
    .send(bytesOf(JSON.stringify(problem.body())))
}

/** Fastify adds a charset to the content type of a string, which JSON does not have. */
function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'utf8')
}

/** Refusals of Fastify itself, by status. */
const frameworkCodes: ReadonlyMap<number, ProblemCode> = new Map([
  [413, 'body_too_large'],
  [414, 'uri_too_long'],
  [415, 'unsupported_content_type'],
])

function problemOf(error: unknown, options: HttpServerOptions, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error
  if (error instanceof ClientGone) {
    options.telemetry.clientGone()
    return new Problem('client_gone', error.message, { headers: { connection: 'close' } })
  }
  const status = (error as Partial<FastifyError>).statusCode ?? 500
  if (status >= 400 && status < 500) {
    return new Problem(frameworkCodes.get(status) ?? 'bad_request', (error as Error).message)
  }
  const away = awayOf(error)
  if (away !== undefined) {
    options.log.warn({ err: error, url: request.url }, 'a request found a server away; see /readyz')
    const detail = `The broker or ClickHouse does not answer (${away}). Nothing is lost: ask again.`
    return unavailable('server_unavailable', detail, 2)
  }
  options.log.error({ err: error, method: request.method, url: request.url }, 'a request failed by a bug')
  return new Problem('internal_error', 'Weir failed to answer; the log has the cause.')
}

const lostSockets: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])
/** Names of the errors of the broker's client. */
const lostBroker: ReadonlySet<string> = new Set(['TimeoutError', 'RequestError', 'ConnectionError'])

/** What the error says of a server that a route asked and that is away; undefined: it says something else. */
function awayOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as NodeJS.ErrnoException
  if (code !== undefined && lostSockets.has(code)) return code
  return lostBroker.has(error.name) ? error.name : undefined
}

function shuttingDown(): Problem {
  const problem = unavailable('draining', 'Weir is shutting down.', 2)
  return new Problem(problem.code, problem.message, {
    headers: { ...problem.headers, connection: 'close' },
  })
}

/** 405 with `Allow` when a route has this path, else 404. */
function unknownRoute(routes: readonly ApiRoute[], request: FastifyRequest): Problem {
  const path = request.url.split('?', 1)[0]!
  const methods = routes.filter(route => patternOf(route.path).test(path)).map(route => route.method)
  if (methods.length === 0) return new Problem('not_found', 'There is no such resource.')
  const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods
  return new Problem('method_not_allowed', `Allowed here: ${allowed.join(', ')}.`, {
    headers: { allow: allowed.join(', ') },
  })
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`)
}

/** Answers malformed or too slow HTTP on the socket itself, since there is no request to reply to. */
function answerBrokenHttp(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = brokenHttp(error.code)
  const body = JSON.stringify(problem.body())
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${problemType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function brokenHttp(code: string | undefined): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem('request_timeout', 'The request did not come in time.')
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers_too_large', 'The headers are too large.')
  return new Problem('bad_request', 'This is not HTTP/1.1.')
}
