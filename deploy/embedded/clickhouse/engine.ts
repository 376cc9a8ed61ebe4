// The ClickHouse engine (chDB) of this process: one data directory, many connections.
// Owns: connections, how many statements run at once. Does not own: SQL text (statement.ts), HTTP
// (handler.ts).
//
// Invariants:
// 1. Every request has its own connection (0.1 ms), so that settings, parameters and the current database of
//    one statement never reach another: a leftover deduplication token would suppress later inserts.
// 2. A connection is closed only after its statement has ended; closing earlier crashes the engine.
// 3. Inserts and changes run one at a time; reads run beside them, each holding one libuv thread while it
//    computes.

import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Role } from './access.js'
import { ClickhouseException, fromEngine } from './exception.js'
import { StatementQueue } from './statement-queue.js'

/** Limits of concurrent reads: in sum below UV_THREADPOOL_SIZE (16), because file I/O needs threads too. */
const readers = { weir: 4, analyst: 6 }
const writers = 1
/** Limit of statements being parsed at once; parsing must not wait for running statements. */
const checkers = 2
const maxWaiting = 1_000

export interface QueryResult {
  readonly bytes: Buffer
  readonly elapsedSeconds: number
  /** Rows and bytes of the result. The engine does not report how many it read. */
  readonly rows: number
  readonly rawBytes: number
}

export interface WriteResult {
  readonly elapsedSeconds: number
  readonly rows: number
  readonly rawBytes: number
}

/** A part of a result, complete in itself. */
export interface Piece {
  readonly bytes: Buffer
  readonly rows: number
}

type Connection = { readonly connection: unique symbol }
type StreamHandle = { readonly stream: unique symbol }

/** The native module's functions that are used here; the package's own classes hide the count of written rows. */
interface NativeChdb {
  CreateConnection(path: string, args?: readonly string[]): Connection
  CloseConnection(connection: Connection): void
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<NativeQueryResult>
  InsertRawAsyncConnection(
    connection: Connection,
    prefix: string,
    data: Uint8Array,
    countLines: boolean,
  ): Promise<{ elapsed: number; rowsWritten: number; bytesWritten: number }>
  StreamQuery(connection: Connection, sql: string, format: string): StreamHandle
  StreamFetch(handle: StreamHandle): Promise<{ bytes: Uint8Array; numRows: number; done: boolean }>
  StreamCancel(handle: StreamHandle): void
}

interface NativeQueryResult {
  readonly bytes: Uint8Array
  readonly elapsed: number
  readonly rowsRead: number
  readonly bytesRead: number
}

/**
 * Settings of a server's configuration file: an acknowledged part survives a power loss. Column statistics,
 * which merges would gather for planning joins, are off because they cost more than they gain here.
 */
const configText = (usersFile: string) => `<clickhouse>
  <users_config>${usersFile.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</users_config>
  <merge_tree>
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
    <auto_statistics_types></auto_statistics_types>
  </merge_tree>
</clickhouse>
`

/** Allows statements as long as the HTTP interface accepts, and reads none as the library alone would. */
const wideSettings = 'SET max_query_size = 67108864, implicit_select = 0; '

export class Engine {
  private readonly native: NativeChdb
  private readonly path: string
  /** Held open for as long as the engine lives, because the engine ends with its last connection. */
  private readonly keeper: Connection
  /** One queue per role, so that an analyst's long queries never delay Weir's own. */
  private readonly readQueues: Readonly<Record<Role, StatementQueue>> = {
    weir: new StatementQueue(readers.weir, maxWaiting),
    analyst: new StatementQueue(readers.analyst, maxWaiting),
  }
  private readonly checkQueue = new StatementQueue(checkers, maxWaiting)
  private readonly writeQueue = new StatementQueue(writers, maxWaiting)

  /** `usersText`: who may do what (access.ts). Both files lie beside the engine's directory. */
  constructor(path: string, usersText: string) {
    this.native = loadNative()
    this.path = path
    const [configFile, usersFile] = [`${path}.xml`, `${path}-users.xml`]
    writeFileSync(usersFile, usersText, { mode: 0o600 })
    writeFileSync(configFile, configText(usersFile), { mode: 0o600 })
    this.keeper = this.native.CreateConnection(path, [`--config-file=${configFile}`])
  }

  /** Runs a statement that returns rows (or nothing). `prelude` holds its settings, each ended by a semicolon. */
  read(role: Role, prelude: string, sql: string, format: string): Promise<QueryResult> {
    return this.readIn(this.readQueues[role], prelude, sql, format)
  }

  private readIn(queue: StatementQueue, prelude: string, sql: string, format: string): Promise<QueryResult> {
    return this.using(queue, async connection => {
      const result = await this.native.QueryAsyncConnection(connection, prelude + sql, format)
      return {
        bytes: Buffer.from(result.bytes.buffer, result.bytes.byteOffset, result.bytes.byteLength),
        elapsedSeconds: result.elapsed,
        rows: result.rowsRead,
        rawBytes: result.bytesRead,
      }
    })
  }

  /** The statement as the engine has understood it, on one line. Throws what is no single statement. */
  async canonical(sql: string): Promise<string> {
    const text = sql.replace(/[\\']/g, '\\$&')
    const query = `SELECT formatQuerySingleLine('${text}')`
    try {
      return (await this.readIn(this.checkQueue, wideSettings, query, 'RawBLOB')).bytes.toString('utf8')
    } catch (error) {
      const { code, type, message } = fromEngine(error)
      throw new ClickhouseException(code, type, message.replace(/:? In scope SELECT formatQuery.*$/s, ''))
    }
  }

  /** Runs a statement that changes something and returns no rows. */
  async write(prelude: string, sql: string): Promise<WriteResult> {
    return this.using(this.writeQueue, async connection => {
      const nothing = Buffer.alloc(0)
      const result = await this.native.InsertRawAsyncConnection(connection, prelude + sql, nothing, false)
      return { elapsedSeconds: result.elapsed, rows: result.rowsWritten, rawBytes: result.bytesWritten }
    })
  }

  /**
   * The result in pieces, each a complete text of the format, so only for formats whose texts may be joined.
   * A scalar subquery would be computed on this thread before the first piece, so only for statements without
   * subqueries.
   */
  async *stream(
    role: Role,
    prelude: string,
    sql: string,
    format: string,
  ): AsyncGenerator<Piece, void, undefined> {
    const leave = await this.readQueues[role].enter()
    const connection = this.native.CreateConnection(this.path)
    try {
      if (prelude !== '') await this.native.QueryAsyncConnection(connection, prelude, format)
      const handle = this.native.StreamQuery(connection, sql, format)
      try {
        for (;;) {
          const piece = await this.native.StreamFetch(handle)
          if (piece.done) return
          const { buffer, byteOffset, byteLength } = piece.bytes
          yield { bytes: Buffer.from(buffer, byteOffset, byteLength), rows: piece.numRows }
        }
      } finally {
        this.native.StreamCancel(handle)
      }
    } catch (error) {
      throw fromEngine(error)
    } finally {
      this.native.CloseConnection(connection)
      leave()
    }
  }

  /** To be called only when no statement is running. */
  close(): void {
    this.native.CloseConnection(this.keeper)
  }

  private async using<T>(queue: StatementQueue, work: (connection: Connection) => Promise<T>): Promise<T> {
    const leave = await queue.enter()
    try {
      const connection = this.native.CreateConnection(this.path) // invariant 1
      try {
        return await work(connection)
      } finally {
        this.native.CloseConnection(connection) // invariant 2
      }
    } catch (error) {
      throw fromEngine(error)
    } finally {
      leave()
    }
  }
}

function loadNative(): NativeChdb {
  const require = createRequire(import.meta.url)
  const loader = require(join(dirname(require.resolve('chdb/package.json')), 'dist', 'loader.js')) as {
    loadNative(): NativeChdb
  }
  return loader.loadNative()
}
