// Answers a statement that returns rows: whole, or in pieces while it still runs.
//
// Invariant: an exception before the first byte of the result sets the status; a later one ends the body with the
// exception block that clients look for (`X-ClickHouse-Exception-Tag`) and breaks the connection.

import { randomBytes } from 'node:crypto'
import { withTotalsInPlace } from './empty-totals.js'
import type { Call, Engine, Piece } from './engine.js'
import { exceptionText, fromEngine } from './exception.js'
import type { Exchange } from './exchange.js'
import { contentType } from './formats.js'
import { asClientReads } from './native-blocks.js'
import { withProgress } from './progress.js'
import { BodyWriter } from './response-body.js'
import { readSummary, total } from './summary.js'

export interface Reading {
  readonly sql: string
  readonly format: string
  readonly inPieces: boolean
}

export async function sendResult(
  engine: Engine,
  { request, answer, parameters, statement }: Exchange,
  call: Call,
  { sql, format, inPieces }: Reading,
  version: string,
): Promise<void> {
  const body = new BodyWriter(request, answer, parameters)
  answer.setHeader('X-ClickHouse-Format', format)
  answer.setHeader('Content-Type', contentType(format))
  const progress = <T>(work: () => Promise<T>) =>
    withProgress(engine, statement, answer, parameters.progressIntervalMs, work)
  if (inPieces) {
    const read = (bytes: Buffer) => asClientReads(bytes, format, parameters.protocolRevision)
    return sendPieces(engine.stream(call, sql, format), answer, body, read, version, progress)
  }
  const result = await progress(() => engine.read(call, sql, format))
  answer.setHeader('X-ClickHouse-Summary', readSummary(result.rows, result.rawBytes, result.elapsedSeconds))
  const ordered = withTotalsInPlace(result.bytes, format)
  await body.sendWhole(asClientReads(ordered, format, parameters.protocolRevision))
}

async function sendPieces(
  pieces: AsyncGenerator<Piece, void, undefined>,
  answer: Exchange['answer'],
  body: BodyWriter,
  read: (bytes: Buffer) => Buffer,
  version: string,
  progress: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<void> {
  const began = performance.now()
  const tag = randomBytes(8).toString('hex')
  try {
    const first = await progress(() => pieces.next()) // most exceptions come here, in time for the status
    const second = first.done ? first : await progress(() => pieces.next())
    const known = [first, second].flatMap(piece => (piece.done ? [] : [piece.value]))
    // As in ClickHouse, headers that leave before the end tell what is known by then.
    const seconds = (performance.now() - began) / 1000
    answer.setHeader(
      'X-ClickHouse-Summary',
      readSummary(total(known, 'rows'), total(known, 'bytes'), seconds),
    )
    if (second.done) return await body.sendWhole(first.done ? Buffer.alloc(0) : read(first.value.bytes))
    answer.setHeader('X-ClickHouse-Exception-Tag', tag)
    for (const piece of known) await body.send(read(piece.bytes))
    for await (const piece of pieces) await body.send(read(piece.bytes))
    await body.end()
  } catch (error) {
    if (!body.hasBegun) throw error
    const text = exceptionText(fromEngine(error), version)
    const size = Buffer.byteLength(text)
    const block = `\r\n__exception__\r\n${tag}\r\n${text}${size} ${tag}\r\n__exception__\r\n`
    await body.breakOff(Buffer.from(block))
  } finally {
    await pieces.return()
  }
}
