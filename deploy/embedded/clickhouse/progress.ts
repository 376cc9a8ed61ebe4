// How far a running query has come, told to clients that ask for it (`send_progress_in_http_headers`): by the
// engine's list of processes, in the head of the answer, until the answer begins.

import { GrowingAnswer } from './answer.js'
import { type Engine, tagSetting } from './engine.js'
import { literal } from './literal.js'
import type { RunningStatement } from './running.js'

/** Tells the progress until `work` ends. */
export async function withProgress<T>(
  engine: Engine,
  statement: RunningStatement,
  answer: unknown,
  intervalMs: number | null,
  work: () => Promise<T>,
): Promise<T> {
  if (intervalMs === null || !(answer instanceof GrowingAnswer)) return work()
  let isRunning = true
  let isLooking = false
  const look = async () => {
    if (isLooking) return
    isLooking = true
    const text = await progressOf(engine, statement)
    isLooking = false
    if (isRunning && text !== '') answer.progress(text)
  }
  const timer = setInterval(() => void look(), intervalMs)
  try {
    return await work()
  } finally {
    isRunning = false
    clearInterval(timer)
  }
}

/** As ClickHouse writes it: an object of texts. Empty when the query does not run. */
async function progressOf(engine: Engine, statement: RunningStatement): Promise<string> {
  const figures = [
    ...[
      'read_rows',
      'read_bytes',
      'written_rows',
      'written_bytes',
      'total_rows_approx AS total_rows_to_read',
    ],
    ...['0 AS result_rows', '0 AS result_bytes', 'toUInt64(elapsed * 1e9) AS elapsed_ns', 'memory_usage'],
  ].map(figure =>
    figure.replace(/^(.*?)( AS .*)?$/, (_all, value, name) => `toString(${value})${name ?? ` AS ${value}`}`),
  )
  const where = `Settings['${tagSetting}'] = ${literal(statement.tag)} AND query_kind != 'Set'`
  const sql = `SELECT ${figures} FROM system.processes WHERE ${where} LIMIT 1`
  try {
    return (await engine.watch(sql, 'JSONEachRow')).bytes.toString().trim()
  } catch {
    return '' // the next look may be better
  }
}
