// Reads an LLM inference trace (CSV: TIMESTAMP, ContextTokens, GeneratedTokens; UTC) such as the Azure Public Dataset's.

import { readFile } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'
import { msOf, parseInstant } from '../../schemas/time.js'
import type { TraceRow } from './scenario.js'

export type Trace =
  | { readonly kind: 'ok'; readonly rows: readonly TraceRow[] }
  | { readonly kind: 'invalid'; readonly detail: string }

const columns = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens']

export async function readTrace(file: string): Promise<Trace> {
  let records: Record<string, string>[]
  try {
    const text = await readFile(file, 'utf8')
    records = parse(text, {
      columns: true,
      bom: true,
      skip_empty_lines: true,
      trim: true,
      record_delimiter: ['\r\n', '\n'],
    })
  } catch (error) {
    return { kind: 'invalid', detail: `${file}: ${(error as Error).message}` }
  }
  const rows: TraceRow[] = []
  for (const [index, record] of records.entries()) {
    const row = traceRow(record)
    if (row === undefined)
      return { kind: 'invalid', detail: `${file}: row ${index + 1} is not ${columns.join(', ')}` }
    rows.push(row)
  }
  return rows.length > 0 ? { kind: 'ok', rows } : { kind: 'invalid', detail: `${file} holds no rows` }
}

function traceRow(record: Record<string, string>): TraceRow | undefined {
  const [timestamp, context, generated] = columns.map(column => record[column] ?? '')
  const timeText = `${timestamp?.replace(' ', 'T')}Z`
  const timeNs = parseInstant(timeText)
  if (timeNs === undefined || !/^\d+$/.test(context ?? '') || !/^\d+$/.test(generated ?? '')) return undefined
  return { timeText, timeMs: msOf(timeNs), inputTokens: Number(context), outputTokens: Number(generated) }
}
