// Handles one request: who asks and with what, then the statement (statements.ts), then errors as ClickHouse's HTTP
// interface tells them.

import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { rowsFolderHeader } from '../../../schemas/rows/rows-file.js'
import { type Role, roles } from './access.js'
import { type Answer, GrowingAnswer } from './answer.js'
import { readBody } from './body.js'
import { type ClickhouseException, exceptions, exceptionText, fromEngine, httpStatus } from './exception.js'
import { spoolTables, tableParameters } from './external-tables.js'
import { type Form, multipartBoundary, readMultipart } from './multipart.js'
import { credentials, type Parameters, readParameters } from './parameters.js'
import { requestSettings } from './prelude.js'
import { BodyWriter } from './response-body.js'
import type { RunningStatement } from './running.js'
import type { Sessions } from './sessions.js'
import type { StatementParts, StatementRunner } from './statements.js'
import { admitVisitor, allowPages, isPreflight } from './visitor.js'

export interface ServerFacts {
  readonly version: string
  readonly timezone: string
  readonly displayName: string
  /** The statements that a connection begins with. */
  readonly opening: Readonly<Record<Role, string>>
  readonly logins: readonly { readonly role: Role; readonly user: string; readonly password: string }[]
  /** Web pages of these origins may send requests. */
  readonly origins: readonly string[]
}

/** What is known of a request once it is known who asks. */
interface Asked {
  readonly role: Role
  readonly parameters: Parameters
  readonly answer: Answer
  readonly form: Form | null
  /** Parameters of the address and fields of the form. */
  readonly all: ReadonlyMap<string, string>
}

/** How long a client has to read the answer before a refused request's connection is cut. */
const refusedBodyGraceMs = 50

export class RequestHandler {
  private readonly parts: StatementParts
  private readonly runner: StatementRunner
  private readonly sessions: Sessions
  private readonly facts: ServerFacts

  constructor(parts: StatementParts, runner: StatementRunner, sessions: Sessions, facts: ServerFacts) {
    this.parts = parts
    this.runner = runner
    this.sessions = sessions
    this.facts = facts
  }

  /** False when the request has been answered: it comes from a web page that has no business here, or asks whether it may. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      admitVisitor(request.headers, this.facts.origins)
      allowPages(request, response, this.facts.origins)
      if (!isPreflight(request)) return true
      response.writeHead(204).end()
    } catch (error) {
      void this.refuse(request, response, fromEngine(error), null)
    }
    return false
  }

  /** As in ClickHouse, PUT, DELETE and the like mean nothing here. */
  refuseMethod(request: IncomingMessage, response: ServerResponse): void {
    const exception = exceptions.notImplemented(`The method ${request.method} is not served.`)
    void this.refuse(request, response, exception, null)
  }

  /** Answers a ping by anybody; only Weir's own user learns the folder for files of rows. */
  ping(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const [user, password] = credentials(url.searchParams, request.headers)
    if (this.roleOf(user, password) === 'weir')
      response.setHeader(rowsFolderHeader, encodeURIComponent(this.parts.spool.folder))
    answerOk(response)
  }

  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const queryId = url.searchParams.get('query_id') || randomUUID()
    response.setHeader('X-ClickHouse-Server-Display-Name', this.facts.displayName)
    response.setHeader('X-ClickHouse-Query-Id', queryId)
    let asked: Asked | null = null
    try {
      asked = await this.identify(request, response, url)
      const { role, parameters } = asked
      response.setHeader('X-ClickHouse-Timezone', this.facts.timezone)
      const statement = await this.parts.running.begin(role, queryId, parameters.replaceWithinMs)
      try {
        await this.serve(request, response, asked, statement)
      } finally {
        statement.end()
      }
    } catch (error) {
      await this.refuse(request, response, fromEngine(error), asked)
    }
  }

  private async identify(request: IncomingMessage, response: ServerResponse, url: URL): Promise<Asked> {
    const boundary = multipartBoundary(request.headers['content-type'])
    const form =
      boundary === null
        ? null
        : readMultipart(await readBody(request, false, this.parts.memory.form), boundary)
    const all = new Map([...url.searchParams, ...(form?.fields ?? [])])
    const wantedRoles = url.searchParams.getAll('role')
    const parameters = readParameters(all, request.headers, wantedRoles, tableParameters(form?.files ?? []))
    const role = this.roleOf(parameters.user, parameters.password)
    if (role === undefined) throw exceptions.authenticationFailed(parameters.user)
    for (const wanted of wantedRoles) admitRole(role, parameters.user, wanted)
    const answer = parameters.progressIntervalMs === null ? response : new GrowingAnswer(response)
    return { role, parameters, answer, form, all }
  }

  private async serve(
    request: IncomingMessage,
    response: ServerResponse,
    { role, parameters, answer, form, all }: Asked,
    statement: RunningStatement,
  ): Promise<void> {
    const settings = requestSettings(parameters, statement, request.method !== 'POST')
    const exchange = { statement, request, answer, parameters, settings }
    if (parameters.session !== null) {
      if (form !== null && form.files.length > 0)
        throw exceptions.notImplemented('external tables in a session: leave session_id out')
      return this.sessions.within(role, parameters.session, connection =>
        this.runner.run({ ...exchange, opening: '', connection }, response, form !== null),
      )
    }
    const external = await spoolTables(form?.files ?? [], all, this.parts.spool, this.parts.guard)
    try {
      const begin = external.sql + this.facts.opening[role]
      await this.runner.run({ ...exchange, opening: begin, connection: null }, response, form !== null)
    } finally {
      external.remove()
    }
  }

  private roleOf(user: string, password: string): Role | undefined {
    // Every login is compared, so that the time of an answer does not reveal which users exist.
    const known = this.facts.logins.map(login => ({
      role: login.role,
      isRight: [same(user, login.user), same(password, login.password)].every(Boolean),
    }))
    return known.find(login => login.isRight)?.role
  }

  /** Packed as the result would have been, if it is known what the client asked for. */
  private async refuse(
    request: IncomingMessage,
    response: ServerResponse,
    exception: ClickhouseException,
    asked: Pick<Asked, 'answer' | 'parameters'> | null,
  ): Promise<void> {
    const answer = asked?.answer ?? response
    if (answer.headersSent || answer.destroyed) {
      answer.destroy()
      return
    }
    const text = exceptionText(exception, this.facts.version)
    for (const name of ['Content-Encoding', 'Content-Length', 'X-ClickHouse-Format'])
      answer.removeHeader(name)
    answer.statusCode = httpStatus(exception.code)
    answer.setHeader('Content-Type', 'text/plain; charset=UTF-8')
    answer.setHeader('X-ClickHouse-Exception-Code', exception.code)
    const body = new BodyWriter(
      request,
      answer,
      asked?.parameters ?? { compressResponse: false, blocks: false },
    )
    await body.sendWhole(Buffer.from(text))
    // A client that still sends its body reads the answer only if the connection is not cut under it.
    if (!request.readableEnded) {
      request.resume()
      await sleep(refusedBodyGraceMs)
    }
  }
}

/** What ClickHouse answers to whoever asks whether it is there, down to the headers. */
export function answerOk(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/html; charset=UTF-8')
  response.setHeader('Transfer-Encoding', 'chunked')
  response.end('Ok.\n')
}

/** A user has one role, which every request of it has. */
function admitRole(role: Role, user: string, wanted: string): void {
  if (!roles.some(known => known === wanted)) throw exceptions.noSuchRole(wanted)
  if (wanted !== role) throw exceptions.roleNotGranted(user, wanted)
}

/** In constant time for texts of one length. */
function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
