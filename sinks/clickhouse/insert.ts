// Inserts one Arrow stream: as a file if ClickHouse on this machine takes it, else as the request's body.

import { Readable } from 'node:stream'
import { type ClickHouseClient, ClickHouseError } from '@clickhouse/client'
import { rowsFileParameter } from '../../schemas/rows/rows-file.js'
import { insertSettings } from './config.js'
import type { RowsFolder } from './rows-folder.js'

/** CANNOT_OPEN_FILE */
const noSuchFile = '76'

export interface ArrowInsert {
  readonly table: string
  /** One Arrow stream, in pieces. */
  readonly parts: readonly Uint8Array[]
  readonly token: string
}

/** Returns the number of rows written, once ClickHouse has them on disk. */
export async function insertArrow(
  client: ClickHouseClient,
  folder: RowsFolder,
  { table, parts, token }: ArrowInsert,
  signal?: AbortSignal,
): Promise<number> {
  const query = `INSERT INTO ${table} FORMAT ArrowStream`
  const file = await folder.write(parts)
  const settings = insertSettings(token)
  try {
    const answer = await client.exec({
      query,
      values: Readable.from(file === undefined ? parts : [], { objectMode: false }),
      clickhouse_settings: file === undefined ? settings : { ...settings, [rowsFileParameter]: file.name },
      ...(signal === undefined ? {} : { abort_signal: signal }),
    })
    for await (const _ of answer.stream); // the socket is free once the answer has been read
    return Number(answer.summary?.written_rows ?? 0)
  } catch (error) {
    if (file !== undefined && error instanceof ClickHouseError && error.code === noSuchFile) folder.giveUp()
    else folder.forget()
    throw error
  } finally {
    await file?.remove()
  }
}
