// Handles one request: reads it, runs its statement, answers as ClickHouse's HTTP interface does.
//
// Invariants:
// 1. An insert is answered 200 only after the engine has committed its parts.
// 2. A spool file lives no longer than its request.
// 3. An exception before the first byte of the result sets the status; a later one ends the body with the
//    exception block that clients look for (`X-ClickHouse-Exception-Tag`) and breaks the connection.

import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { rowsFolderHeader } from '../../../schemas/rows/rows-file.js'
import type { Role } from './access.js'
import { beginsAtOnce } from './beginning.js'
import { fileCompression, readBody, type Spool, type SpooledRows, unpackedBlocks } from './body.js'
import { withTotalsInPlace } from './empty-totals.js'
import type { Engine, WriteResult } from './engine.js'
import { type ClickhouseException, exceptions, exceptionText, fromEngine, httpStatus } from './exception.js'
import { contentType, mayBeJoined } from './formats.js'
import type { StatementGuard } from './guard.js'
import { multipartBoundary, multipartFields } from './multipart.js'
import { asClientReads } from './native-blocks.js'
import { credentials, literal, type Parameters, prelude, readParameters } from './parameters.js'
import { BodyWriter } from './response-body.js'
import { type InsertData, readStatement } from './statement.js'
import { readSummary, total, writeSummary } from './summary.js'
import { admitVisitor } from './visitor.js'

export interface ServerFacts {
  readonly version: string
  readonly timezone: string
  readonly displayName: string
  readonly logins: readonly { readonly role: Role; readonly user: string; readonly password: string }[]
}

/** How long a client has to read the answer before a refused request's connection is cut. */
const refusedBodyGraceMs = 50

/** Far above `max_query_size`: bytes beyond this can only be the rows of an INSERT. */
const maxStatementBytes = 4 << 20

/** Limit of a result that cannot be sent in pieces. */
const maxWholeResultBytes = 2 ** 31

interface Exchange {
  readonly role: Role
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly parameters: Parameters
  readonly settings: string
}

export class RequestHandler {
  private readonly engine: Engine
  private readonly spool: Spool
  private readonly guard: StatementGuard
  private readonly facts: ServerFacts

  constructor(engine: Engine, spool: Spool, guard: StatementGuard, facts: ServerFacts) {
    this.engine = engine
    this.spool = spool
    this.guard = guard
    this.facts = facts
  }

  /** False when the request has been refused: it comes from a web page. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      admitVisitor(request.headers)
      return true
    } catch (error) {
      void this.refuse(request, response, fromEngine(error))
      return false
    }
  }

  /** As in ClickHouse, PUT, DELETE and the like mean nothing here. */
  refuseMethod(request: IncomingMessage, response: ServerResponse): void {
    void this.refuse(
      request,
      response,
      exceptions.notImplemented(`The method ${request.method} is not served.`),
    )
  }

  /** Answers a ping by anybody; only Weir's own user learns the folder for files of rows. */
  ping(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const [user, password] = credentials(url.searchParams, request.headers)
    if (this.roleOf(user, password) === 'weir')
      response.setHeader(rowsFolderHeader, encodeURIComponent(this.spool.folder))
    answerOk(response)
  }

  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const queryId = url.searchParams.get('query_id') || randomUUID()
    response.setHeader('X-ClickHouse-Server-Display-Name', this.facts.displayName)
    response.setHeader('X-ClickHouse-Query-Id', queryId)
    try {
      const boundary = multipartBoundary(request.headers['content-type'])
      const form =
        boundary === null ? new Map<string, string>() : multipartFields(await readBody(request), boundary)
      const parameters = readParameters(url.searchParams, request.headers, form)
      const role = this.roleOf(parameters.user, parameters.password)
      if (role === undefined) throw exceptions.authenticationFailed(parameters.user)
      response.setHeader('X-ClickHouse-Timezone', this.facts.timezone)
      const settings = prelude(parameters, role, request.method !== 'POST')
      await this.run({ role, request, response, parameters, settings }, boundary !== null)
    } catch (error) {
      await this.refuse(request, response, fromEngine(error))
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

  private async run(exchange: Exchange, bodyIsForm: boolean): Promise<void> {
    const { request, parameters } = exchange
    const given = Buffer.from(parameters.query)
    // When the URL holds the whole INSERT, the body is only rows and is never held in memory.
    if (given.length > 0 && !bodyIsForm && request.method === 'POST') {
      const statement = readStatement(given.toString('latin1'))
      if (statement.kind === 'insert_data') {
        this.admitInsert(exchange)
        if (parameters.rowsFile !== null)
          return this.insert(exchange, given, statement, this.spool.take(parameters.rowsFile))
        const inline = given.subarray(statement.dataStart)
        const head = inline.toString('latin1').trim() === '' ? Buffer.alloc(0) : inline
        const rows = parameters.bodyInBlocks
          ? await this.spool.write(head, unpackedBlocks(request), 'none')
          : await this.spool.write(head, request, fileCompression(request))
        return this.insert(exchange, given, statement, rows)
      }
    }
    const body =
      bodyIsForm || request.method !== 'POST'
        ? Buffer.alloc(0)
        : await readBody(request, parameters.bodyInBlocks)
    const text = given.length === 0 ? body : Buffer.concat([given, Buffer.from('\n'), body])
    const statement = readStatement(text.toString('latin1', 0, maxStatementBytes))
    if (statement.kind !== 'insert_data' && text.length > maxStatementBytes)
      throw exceptions.bodyTooLarge(maxStatementBytes)
    const isRead = statement.kind === 'read' || statement.kind === 'empty'
    if (!isRead && request.method !== 'POST') throw exceptions.readonlyMethod()
    const canonical =
      statement.kind === 'empty' || statement.kind === 'insert_data'
        ? ''
        : await this.guard.admit(
            text.toString('utf8', 0, statement.end),
            exchange.role,
            undefined,
            parameters.settings,
          )
    switch (statement.kind) {
      case 'empty':
        throw exceptions.syntaxError('Empty query')
      case 'insert_data': {
        this.admitInsert(exchange)
        const { rowsFile } = parameters
        const inline = text.subarray(statement.dataStart)
        const rows =
          rowsFile === null ? await this.spool.write(inline, null, 'none') : this.spool.take(rowsFile)
        return this.insert(exchange, text, statement, rows)
      }
      case 'change': {
        const result = await this.engine.write(exchange.settings, text.toString('utf8', 0, statement.end))
        return this.answerWrite(exchange, result)
      }
      case 'kill':
        return this.read(exchange, text.toString('utf8', 0, statement.end), null, false)
      case 'read':
        return this.read(
          exchange,
          text.toString('utf8', 0, statement.end),
          statement.format,
          // Weir's own statements are known to begin at once; an analyst's must be checked.
          statement.joinable && (exchange.role === 'weir' || beginsAtOnce(canonical)),
        )
      default:
        statement satisfies never
    }
  }

  /** To be called before rows are read into memory. */
  private admitInsert({ role }: Exchange): void {
    if (role !== 'weir') throw exceptions.accessDenied(role, 'insert rows as this user')
  }

  private async insert(
    exchange: Exchange,
    text: Buffer,
    statement: InsertData,
    rows: SpooledRows,
  ): Promise<void> {
    try {
      const head = text.toString('utf8', 0, statement.headEnd)
      const format = statement.format ?? exchange.parameters.defaultFormat ?? 'Values'
      // The settings were cut from a latin1 view of the text.
      const settings = Buffer.from(statement.settings, 'latin1').toString('utf8')
      const sql = [
        `${head}\nFROM INFILE ${literal(rows.path)} COMPRESSION ${literal(rows.compression)}`,
        `${settings}\nFORMAT ${format}`,
      ]
      await this.guard.admit(sql.join('\n'), exchange.role, rows.path)
      const result = await this.engine.write(exchange.settings, sql.join('\n'))
      this.answerWrite(exchange, result) // invariant 1
    } finally {
      rows.remove() // invariant 2
    }
  }

  private answerWrite({ response, parameters }: Exchange, result: WriteResult): void {
    const format = parameters.defaultFormat ?? 'TabSeparated'
    response.setHeader('X-ClickHouse-Format', format)
    response.setHeader('Content-Type', contentType(format))
    response.setHeader('X-ClickHouse-Summary', writeSummary(result))
    response.setHeader('Content-Length', 0)
    response.end()
  }

  private async read(
    exchange: Exchange,
    sql: string,
    named: string | null,
    joinable: boolean,
  ): Promise<void> {
    const { request, response, parameters, settings } = exchange
    const format = named ?? parameters.defaultFormat ?? 'TabSeparated'
    const body = new BodyWriter(request, response, parameters)
    response.setHeader('X-ClickHouse-Format', format)
    response.setHeader('Content-Type', contentType(format))
    if (!joinable || !mayBeJoined(format) || parameters.waitEndOfQuery) {
      // The whole result is held in memory; a limit that the client sets comes later and overrides this one.
      const limit = `SET max_result_bytes = ${maxWholeResultBytes}; `
      const result = await this.engine.read(exchange.role, limit + settings, sql, format)
      response.setHeader(
        'X-ClickHouse-Summary',
        readSummary(result.rows, result.rawBytes, result.elapsedSeconds),
      )
      const ordered = withTotalsInPlace(result.bytes, format)
      return body.sendWhole(asClientReads(ordered, format, parameters.protocolRevision))
    }
    await this.readInPieces(exchange, body, sql, format)
  }

  private async readInPieces(
    { role, response, settings, parameters }: Exchange,
    body: BodyWriter,
    sql: string,
    format: string,
  ): Promise<void> {
    const pieces = this.engine.stream(role, settings, sql, format)
    const read = (bytes: Buffer) => asClientReads(bytes, format, parameters.protocolRevision)
    const began = performance.now()
    const tag = randomBytes(8).toString('hex')
    try {
      const first = await pieces.next() // most exceptions come here, in time for the status
      const second = first.done ? first : await pieces.next()
      const known = [first, second].flatMap(piece => (piece.done ? [] : [piece.value]))
      // As in ClickHouse, headers that leave before the end tell what is known by then.
      const seconds = (performance.now() - began) / 1000
      response.setHeader(
        'X-ClickHouse-Summary',
        readSummary(total(known, 'rows'), total(known, 'bytes'), seconds),
      )
      if (second.done) return await body.sendWhole(first.done ? Buffer.alloc(0) : read(first.value.bytes))
      response.setHeader('X-ClickHouse-Exception-Tag', tag)
      for (const piece of known) await body.send(read(piece.bytes))
      for await (const piece of pieces) await body.send(read(piece.bytes))
      await body.end()
    } catch (error) {
      if (!response.headersSent) throw error
      const text = exceptionText(fromEngine(error), this.facts.version)
      const size = Buffer.byteLength(text)
      const block = `\r\n__exception__\r\n${tag}\r\n${text}${size} ${tag}\r\n__exception__\r\n`
      await body.breakOff(Buffer.from(block)) // invariant 3
    } finally {
      await pieces.return()
    }
  }

  private async refuse(
    request: IncomingMessage,
    response: ServerResponse,
    exception: ClickhouseException,
  ): Promise<void> {
    if (response.headersSent) {
      response.destroy()
      return
    }
    const text = exceptionText(exception, this.facts.version)
    const status = httpStatus(exception.code)
    response.removeHeader('Content-Encoding')
    response.writeHead(status, {
      'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Length': Buffer.byteLength(text),
      'X-ClickHouse-Exception-Code': exception.code,
    })
    response.end(text)
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

/** In constant time for texts of one length. */
function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
