// The figures of `X-ClickHouse-Summary`. The engine tells how many rows a result or an insert has, and not how many were
// read for a result, so read_rows of a SELECT are the rows that it returned.

import type { Piece, WriteResult } from './engine.js'

export function total(pieces: readonly Piece[], figure: 'rows' | 'bytes'): number {
  return pieces.reduce((sum, piece) => sum + (figure === 'rows' ? piece.rows : piece.bytes.length), 0)
}

export function readSummary(rows: number, bytes: number, seconds: number): string {
  return summary({ read_rows: rows, read_bytes: bytes, result_rows: rows, result_bytes: bytes }, seconds)
}

export function writeSummary({ rows, rawBytes: bytes, elapsedSeconds }: WriteResult): string {
  const written = { written_rows: rows, written_bytes: bytes, result_rows: rows, result_bytes: bytes }
  return summary({ read_rows: rows, read_bytes: bytes, ...written }, elapsedSeconds)
}

/** All figures are texts, as ClickHouse sends them. */
function summary(figures: Readonly<Record<string, number>>, seconds: number): string {
  const all: Record<string, string> = {}
  for (const name of ['read_rows', 'read_bytes', 'written_rows', 'written_bytes'])
    all[name] = `${figures[name] ?? 0}`
  all['total_rows_to_read'] = '0'
  for (const name of ['result_rows', 'result_bytes']) all[name] = `${figures[name] ?? 0}`
  all['elapsed_ns'] = `${Math.round(seconds * 1e9)}`
  return JSON.stringify(all)
}
