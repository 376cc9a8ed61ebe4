// Runs one request's statement: rows out, data in, a change, or a KILL.
//
// Invariants:
// 1. An insert is answered 200 only after the engine has committed its parts.
// 2. A spool file lives no longer than its request.
// 3. A statement that only reads ends when its client has gone; any other one runs to its end.

import type { ServerResponse } from 'node:http'
import { beginsAtOnce } from './beginning.js'
import { fileCompression, readBody, type Spool, type SpooledRows, unpackedBlocks } from './body.js'
import type { Engine, WriteResult } from './engine.js'
import { exceptions } from './exception.js'
import { asAsked, type Exchange } from './exchange.js'
import { contentType, mayBeJoined } from './formats.js'
import type { StatementGuard } from './guard.js'
import { literal } from './literal.js'
import type { MemoryLimits } from './memory.js'
import { asClientsSee, killQueries } from './processes.js'
import { withProgress } from './progress.js'
import { sendResult } from './results.js'
import type { RunningStatements } from './running.js'
import { type InsertData, readStatement } from './statement.js'
import { writeSummary } from './summary.js'

/** Far above `max_query_size`: bytes beyond this can only be the rows of an INSERT. */
const maxStatementBytes = 4 << 20

export interface StatementParts {
  readonly engine: Engine
  readonly spool: Spool
  readonly guard: StatementGuard
  readonly running: RunningStatements
  readonly memory: MemoryLimits
  readonly version: string
}

export class StatementRunner {
  private readonly parts: StatementParts

  constructor(parts: StatementParts) {
    this.parts = parts
  }

  /** `bodyIsForm`: the body has been read; the statement is among the parameters. */
  async run(exchange: Exchange, response: ServerResponse, bodyIsForm: boolean): Promise<void> {
    const { request, parameters, statement: running } = exchange
    const given = Buffer.from(parameters.query)
    // When the URL holds the whole INSERT, the body is only rows and is never held in memory.
    if (given.length > 0 && !bodyIsForm && request.method === 'POST') {
      const statement = readStatement(given.toString('latin1'))
      if (statement.kind === 'insert_data') return this.insertFromBody(exchange, given, statement)
    }
    const body =
      bodyIsForm || request.method !== 'POST'
        ? Buffer.alloc(0)
        : await readBody(request, parameters.bodyInBlocks)
    const text = given.length === 0 ? body : Buffer.concat([given, Buffer.from('\n'), body])
    const statement = readStatement(text.toString('latin1', 0, maxStatementBytes))
    if (statement.kind === 'empty') throw exceptions.syntaxError('Empty query')
    if (statement.kind !== 'insert_data' && text.length > maxStatementBytes)
      throw exceptions.bodyTooLarge(maxStatementBytes)
    if (statement.kind !== 'read' && request.method !== 'POST') throw exceptions.readonlyMethod()
    if (statement.kind === 'insert_data') return this.insertFromText(exchange, text, statement)
    const sql = text.toString('utf8', 0, statement.end)
    const canonical = await this.parts.guard.admit(sql, running.role, undefined, parameters.settings)
    admitInSession(exchange, statement.kind === 'change', canonical)
    switch (statement.kind) {
      case 'change': {
        const result = await asAsked(this.parts.engine, exchange, exchange.settings, call =>
          this.telling(exchange, () => this.parts.engine.write(call, sql)),
        )
        return answerWrite(exchange, result, statement.format)
      }
      case 'kill':
        if (statement.what === 'queries') return this.kill(exchange, sql, statement.format)
        return this.read(exchange, sql, statement.format, false)
      case 'read': {
        const stop = () => {
          if (!response.writableFinished) void running.stop()
        }
        if (parameters.endsWithClient) response.once('close', stop) // invariant 3
        if (response.destroyed) stop()
        if (exchange.connection !== null && /^(?:USE|SET) /.test(canonical)) return this.change(exchange, sql)
        // Weir's own statements are known to begin at once; an analyst's must be checked.
        const inPieces = statement.joinable && (running.role === 'weir' || beginsAtOnce(canonical))
        return this.read(exchange, asClientsSee(sql, running.role), statement.format, inPieces)
      }
      default:
        statement satisfies never
    }
  }

  private async insertFromBody(exchange: Exchange, given: Buffer, statement: InsertData): Promise<void> {
    const { request, parameters } = exchange
    admitInsert(exchange)
    if (parameters.rowsFile !== null)
      return this.insert(exchange, given, statement, this.parts.spool.take(parameters.rowsFile))
    const inline = given.subarray(statement.dataStart)
    const head = inline.toString('latin1').trim() === '' ? Buffer.alloc(0) : inline
    const rows = parameters.bodyInBlocks
      ? await this.parts.spool.write(head, unpackedBlocks(request), 'none')
      : await this.parts.spool.write(head, request, fileCompression(request))
    return this.insert(exchange, given, statement, rows)
  }

  private async insertFromText(exchange: Exchange, text: Buffer, statement: InsertData): Promise<void> {
    admitInsert(exchange)
    const { rowsFile } = exchange.parameters
    const inline = text.subarray(statement.dataStart)
    const rows =
      rowsFile === null ? await this.parts.spool.write(inline, null, 'none') : this.parts.spool.take(rowsFile)
    return this.insert(exchange, text, statement, rows)
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
      ].join('\n')
      await this.parts.guard.admit(sql, exchange.statement.role, rows.path)
      const result = await asAsked(this.parts.engine, exchange, exchange.settings, call =>
        this.telling(exchange, () => this.parts.engine.write(call, sql)),
      )
      answerWrite(exchange, result, null) // invariant 1
    } finally {
      rows.remove() // invariant 2
    }
  }

  /** `SET` and `USE` of a session: what the request's own parameters say would only hide what they set. */
  private async change(exchange: Exchange, sql: string): Promise<void> {
    const { statement, connection } = exchange
    const call = {
      role: statement.role,
      signal: statement.signal,
      connection: connection ?? undefined,
      prelude: '',
    }
    const { elapsedSeconds } = await this.parts.engine.read(call, sql, 'Null')
    answerWrite(exchange, { elapsedSeconds, rows: 0, rawBytes: 0 }, null)
  }

  private async kill(exchange: Exchange, sql: string, format: string | null): Promise<void> {
    const { engine, running } = this.parts
    const answer = await asAsked(engine, exchange, exchange.settings, call =>
      killQueries(engine, running, exchange.statement, call, sql),
    )
    return this.read(exchange, answer, format, false)
  }

  private async read(
    exchange: Exchange,
    sql: string,
    named: string | null,
    joinable: boolean,
  ): Promise<void> {
    const { parameters, settings } = exchange
    const format = named ?? parameters.defaultFormat ?? 'TabSeparated'
    const inPieces = joinable && mayBeJoined(format) && !parameters.waitEndOfQuery
    const own = inPieces ? settings : { ...settings, values: this.boundResult(settings.values) }
    await asAsked(this.parts.engine, exchange, own, call =>
      sendResult(this.parts.engine, exchange, call, { sql, format, inPieces }, this.parts.version),
    )
  }

  /** A whole result is held in memory; a request may choose a lower limit for it. */
  private boundResult(
    values: readonly (readonly [string, string])[],
  ): readonly (readonly [string, string])[] {
    const name = 'max_result_bytes'
    const most = this.parts.memory.wholeResult
    const asked = Number(values.find(([given]) => given === name)?.[1] ?? most)
    const limit = asked > 0 && asked < most ? asked : most
    return [...values.filter(([given]) => given !== name), [name, `${limit}`]]
  }

  private telling<T>({ statement, answer, parameters }: Exchange, work: () => Promise<T>): Promise<T> {
    return withProgress(this.parts.engine, statement, answer, parameters.progressIntervalMs, work)
  }
}

/** To be called before rows are read into memory. */
function admitInsert(exchange: Exchange): void {
  admitInSession(exchange, true, '')
  const { statement } = exchange
  if (statement.role !== 'weir') throw exceptions.accessDenied(statement.role, 'insert rows as this user')
}

/** `readonly` cannot be taken back on a connection, so in a session it is held here. */
function admitInSession({ connection, settings }: Exchange, writes: boolean, canonical: string): void {
  if (connection === null || settings.readonly === null) return
  if (writes || (settings.readonly === '1' && /^SET | SETTINGS /.test(canonical)))
    throw exceptions.readonlyMode()
}

function answerWrite({ answer, parameters }: Exchange, result: WriteResult, named: string | null): void {
  const format = named ?? parameters.defaultFormat ?? 'TabSeparated'
  answer.setHeader('X-ClickHouse-Format', format)
  answer.setHeader('Content-Type', contentType(format))
  answer.setHeader('X-ClickHouse-Summary', writeSummary(result))
  answer.setHeader('Content-Length', 0)
  answer.end()
}
