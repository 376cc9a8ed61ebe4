// What the writers of columns share: a text given as a span, and a column with one value.

import type { TextColumn } from '../../../schemas/arrow/arrow-columns.js'
import { type DictionaryColumn, putConstantCodes } from '../../../schemas/arrow/arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from '../../../schemas/arrow/arrow-ipc.js'
import { NumberDictionary } from '../../../schemas/arrow/arrow-number-dictionary.js'
import type { ColumnKind } from '../../../schemas/table-description.js'

/** A span of -1 stands for an absent text. */
export function appendSpan(
  column: TextColumn | DictionaryColumn,
  bytes: Uint8Array,
  from: number,
  until: number,
): void {
  if (from < 0) column.append('')
  else column.appendBytes(bytes, from, until)
}

/** Writes a column with the same number in every row. */
export function putConstant(
  batch: IpcBatch,
  id: number,
  kind: ColumnKind,
  value: number,
  rows: number,
): IpcDictionary {
  const dictionary = new NumberDictionary()
  dictionary.codeOf(value)
  batch.node(rows)
  putConstantCodes(batch, rows)
  return dictionary.put(id, kind)
}
