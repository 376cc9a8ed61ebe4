// The process of the embedded ClickHouse: one engine, one HTTP server on loopback, one parent.
// clickhouse-server.ts starts it and sends the settings over the channel, so that no password is in a command
// line. The channel closes when the parent ends, however it ends, and then this process ends too.
//
// The engine runs on this main thread's connections only; it crashes in worker threads.

import { createServer, type Server } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { accessTo, type Role } from './access.js'
import { Spool } from './body.js'
import { Engine } from './engine.js'
import { StatementGuard } from './guard.js'
import { answerOk, RequestHandler } from './handler.js'
import { type MemoryLimits, memoryLimits } from './memory.js'
import { opening } from './prelude.js'
import { createProcessView } from './processes.js'
import type { ChildReady, ChildStart } from './protocol.js'
import { RunningStatements } from './running.js'
import { Sessions } from './sessions.js'
import { StatementRunner } from './statements.js'

const methods = new Set(['GET', 'HEAD', 'OPTIONS', 'POST'])

/** How long running statements may take at the end; then the process is killed, which the data survives. */
const drainDeadlineMs = 10_000
/** The same after the parent has ended: its clients are usually gone, and the next parent waits for us. */
const orphanDeadlineMs = 500

// Ctrl-C reaches the whole terminal; the parent decides when this process ends.
process.on('SIGINT', () => {})
process.once('message', message => {
  start(message as ChildStart).catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error)
    process.send?.({ kind: 'failed', reason: text } satisfies ChildReady)
    process.exitCode = 1
    process.disconnect?.()
  })
})

async function start(options: ChildStart): Promise<void> {
  const memory = memoryLimits(options.maxMemoryBytes)
  const access = accessTo(options.database, memory)
  const engine = new Engine(join(options.dataDir, 'engine'), access.usersText, memory)
  const spool = new Spool(options.spoolDir)
  const openings = { weir: opening(access.prelude.weir), analyst: opening(access.prelude.analyst) }
  const sessions = new Sessions(engine, openings)
  const handler = await makeHandler(options, engine, spool, sessions, memory, openings)
  let running = 0

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (!handler.admits(request, response)) return
    if (url.pathname === '/ping' || url.pathname === '/replicas_status')
      return void handler.ping(request, response, url)
    if (url.pathname !== '/') {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=UTF-8' })
      return void response.end(`There is no handle ${url.pathname}\nUse / or /ping for health checks.\n`)
    }
    if (!methods.has(request.method ?? '')) return handler.refuseMethod(request, response)
    if (request.method !== 'POST' && !url.searchParams.has('query')) return answerOk(response)
    running++
    void handler
      .handle(request, response, url)
      .catch(() => response.destroy())
      .finally(() => running--)
  })
  // Inserts may take as long as they need, and clients keep their connections.
  server.requestTimeout = 0
  server.keepAliveTimeout = 30_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const end = (deadlineMs: number) => void stop(server, engine, spool, sessions, () => running, deadlineMs)
  process.once('SIGTERM', () => end(drainDeadlineMs))
  process.once('disconnect', () => end(orphanDeadlineMs))
  if (!process.connected) end(orphanDeadlineMs)
  process.send?.({ kind: 'ready', port: portOf(server) } satisfies ChildReady)
}

async function makeHandler(
  { logins, origins }: ChildStart,
  engine: Engine,
  spool: Spool,
  sessions: Sessions,
  memory: MemoryLimits,
  openings: Readonly<Record<Role, string>>,
): Promise<RequestHandler> {
  const answer = await engine.watch('SELECT version(), timezone()', 'TabSeparated')
  const [version = '', timezone = ''] = answer.bytes.toString().trim().split('\t')
  const userOf = (role: Role) => logins.find(login => login.role === role)?.user ?? role
  await createProcessView(engine, { weir: userOf('weir'), analyst: userOf('analyst') })
  const running = new RunningStatements(engine)
  const guard = await StatementGuard.of(engine)
  const parts = { engine, spool, guard, running, memory, version }
  const facts = { version, timezone, displayName: hostname(), opening: openings, logins, origins }
  return new RequestHandler(parts, new StatementRunner(parts), sessions, facts)
}

async function stop(
  server: Server,
  engine: Engine,
  spool: Spool,
  sessions: Sessions,
  running: () => number,
  deadlineMs: number,
): Promise<void> {
  server.close()
  server.closeIdleConnections()
  const deadline = Date.now() + deadlineMs
  while (running() > 0 && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
  spool.close()
  // The engine cannot be closed while a statement runs, and a normal exit would abort inside the engine.
  if (running() > 0) process.kill(process.pid, 'SIGKILL')
  sessions.close()
  engine.close()
  process.exit(0)
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
