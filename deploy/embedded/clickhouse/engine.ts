// The ClickHouse engine (chDB) of this process: one data directory, many connections.
// Owns: connections, how many statements run at once. Does not own: SQL text (statement.ts), HTTP
// (handler.ts).
//
// Invariants:
// 1. Every request outside a session has its own connection (0.1 ms), so that settings, parameters and the
//    current database of one statement never reach another: a leftover deduplication token would suppress
//    later inserts.
// 2. A connection is closed only after its statement has ended; closing earlier crashes the engine.
// 3. Inserts and changes run one at a time; reads run beside them, each holding one libuv thread while it
//    computes.

import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Role } from './access.js'
import { ClickhouseException, exceptions, fromEngine } from './exception.js'
import { literal } from './literal.js'
import { type MemoryLimits, serverMemory } from './memory.js'
import { StatementQueue } from './statement-queue.js'

/** Limits of concurrent reads: in sum below UV_THREADPOOL_SIZE (16), because file I/O needs threads too. */
const readers = { weir: 4, analyst: 6 }
const writers = 1
/** Limit of statements being parsed at once; parsing must not wait for running statements. */
const checkers = 2
/** The same for statements about the process itself: KILL, and how far a statement has come. */
const watchers = 1
const maxWaiting = 1_000
/** Texts whose canonical form is kept, and how long one of them may be. */
const maxKnownTexts = 512
const maxKnownLength = 16_384

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

/**
 * The setting whose value marks a statement in the engine's list of processes. For the engine it is a label of
 * entries in a cache that it does not have here.
 */
export const tagSetting = 'query_cache_tag'

/** How a statement runs. */
export interface Call {
  readonly role: Role
  /** Its settings, each statement ended by a semicolon. */
  readonly prelude: string
  /** When it is aborted, a statement that waits for its turn does not run. */
  readonly signal?: AbortSignal
  /** That of a session. Default: one of its own. */
  readonly connection?: Connection | undefined
}

export type Connection = { readonly connection: unique symbol }
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
const configText = (usersFile: string, memory: MemoryLimits) => `<clickhouse>
  ${serverMemory(memory)}
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
  private readonly watchQueue = new StatementQueue(watchers, maxWaiting)
  private readonly writeQueue = new StatementQueue(writers, maxWaiting)
  /** What the parser made of a text, which depends on nothing else: asking it is a statement of its own. */
  private readonly canonicalTexts = new Map<string, string>()

  /** `usersText`: who may do what (access.ts). Both files lie beside the engine's directory. */
  constructor(path: string, usersText: string, memory: MemoryLimits) {
    this.native = loadNative()
    this.path = path
    const [configFile, usersFile] = [`${path}.xml`, `${path}-users.xml`]
    writeFileSync(usersFile, usersText, { mode: 0o600 })
    writeFileSync(configFile, configText(usersFile, memory), { mode: 0o600 })
    this.keeper = this.native.CreateConnection(path, [`--config-file=${configFile}`])
  }

  /** Runs a statement that returns rows (or nothing). */
  read(call: Call, sql: string, format: string): Promise<QueryResult> {
    return this.readIn(this.readQueues[call.role], call, sql, format)
  }

  /** A question about the process itself, which waits for no other statement. */
  watch(sql: string, format: string): Promise<QueryResult> {
    return this.readIn(this.watchQueue, internal, sql, format)
  }

  /** Tells the statements with this tag to stop, and does not wait for their end. */
  async kill(tag: string): Promise<void> {
    const sql = `KILL QUERY WHERE Settings['${tagSetting}'] = ${literal(tag)} ASYNC`
    await this.watch(sql, 'Null').catch(() => undefined) // the caller asks again
  }

  /** A connection that lives longer than a statement; closed by the caller when no statement runs on it. */
  open(): Connection {
    return this.native.CreateConnection(this.path)
  }

  release(connection: Connection): void {
    this.native.CloseConnection(connection)
  }

  private readIn(queue: StatementQueue, call: Call, sql: string, format: string): Promise<QueryResult> {
    return this.using(queue, call, async connection => {
      const result = await this.native.QueryAsyncConnection(connection, call.prelude + sql, format)
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
    const text = this.canonicalTexts.get(sql) ?? (await this.parsed(sql))
    if (sql.length > maxKnownLength) return text
    // The statement that was asked least recently is forgotten first.
    this.canonicalTexts.delete(sql)
    this.canonicalTexts.set(sql, text)
    const [oldest] = this.canonicalTexts.keys()
    if (this.canonicalTexts.size > maxKnownTexts && oldest !== undefined) this.canonicalTexts.delete(oldest)
    return text
  }

  private async parsed(sql: string): Promise<string> {
    const query = `SELECT formatQuerySingleLine(${literal(sql)})`
    try {
      const call = { ...internal, prelude: wideSettings }
      return (await this.readIn(this.checkQueue, call, query, 'RawBLOB')).bytes.toString('utf8')
    } catch (error) {
      const { code, type, message } = fromEngine(error)
      throw new ClickhouseException(code, type, message.replace(/:? In scope SELECT formatQuery.*$/s, ''))
    }
  }

  /** Runs a statement that changes something and returns no rows. */
  async write(call: Call, sql: string): Promise<WriteResult> {
    return this.using(this.writeQueue, call, async connection => {
      const nothing = Buffer.alloc(0)
      const text = call.prelude + sql
      const result = await this.native.InsertRawAsyncConnection(connection, text, nothing, false)
      return { elapsedSeconds: result.elapsed, rows: result.rowsWritten, rawBytes: result.bytesWritten }
    })
  }

  /**
   * The result in pieces, each a complete text of the format, so only for formats whose texts may be joined.
   * A scalar subquery would be computed on this thread before the first piece, so only for statements without
   * subqueries.
   */
  async *stream(call: Call, sql: string, format: string): AsyncGenerator<Piece, void, undefined> {
    const leave = await this.readQueues[call.role].enter(call.signal)
    const connection = call.connection ?? this.open()
    try {
      if (call.prelude !== '') await this.native.QueryAsyncConnection(connection, call.prelude, format)
      if (call.signal?.aborted) throw exceptions.cancelled()
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
      if (call.connection === undefined) this.release(connection)
      leave()
    }
  }

  /** To be called only when no statement is running. */
  close(): void {
    this.native.CloseConnection(this.keeper)
  }

  private async using<T>(
    queue: StatementQueue,
    call: Call,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const leave = await queue.enter(call.signal)
    try {
      if (call.connection !== undefined) return await work(call.connection)
      const connection = this.open() // invariant 1
      try {
        return await work(connection)
      } finally {
        this.release(connection) // invariant 2
      }
    } catch (error) {
      throw fromEngine(error)
    } finally {
      leave()
    }
  }
}

/** A statement of this process itself. */
const internal: Call = { role: 'weir', prelude: '' }

function loadNative(): NativeChdb {
  const require = createRequire(import.meta.url)
  const loader = require(join(dirname(require.resolve('chdb/package.json')), 'dist', 'loader.js')) as {
    loadNative(): NativeChdb
  }
  return loader.loadNative()
}
