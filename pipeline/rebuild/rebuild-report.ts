// The report of a rebuild: each table with its rows before and after, and where they differed.

import { z } from 'zod'

export const tableReportSchema = z.object({
  table: z.string(),
  rows_before: z.int(),
  rows_after: z.int(),
  differences: z
    .array(
      z.object({
        partition: z.int().nullable().describe('Null: the whole table'),
        rows_before: z.int(),
        rows_after: z.int(),
        has_other_values: z.boolean().describe('As many rows, with other values in them'),
      }),
    )
    .describe('Where the old table was not what the ledger or its stream says; empty: nowhere'),
})
export type TableReport = z.infer<typeof tableReportSchema>

export interface RebuildReport {
  readonly tables: readonly TableReport[]
  /** Not yet exchanged. */
  readonly waiting: readonly string[]
}

export function reportOf(
  tables: readonly string[],
  { done }: { readonly done: readonly TableReport[] },
): RebuildReport {
  return { tables: done, waiting: tables.slice(done.length) }
}
