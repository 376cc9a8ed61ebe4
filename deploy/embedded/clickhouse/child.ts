// The process of the embedded ClickHouse: one engine, one HTTP server on loopback, one parent.
// clickhouse-server.ts starts it and sends the settings over the channel, so that no password is in a command
// line. The channel closes when the parent ends, however it ends, and then this process ends too.
//
// The engine runs on this main thread's connections only; it crashes in worker threads.

import { createServer, type Server } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { usersText } from './access.js'
import { Spool } from './body.js'
import { Engine } from './engine.js'
import { StatementGuard } from './guard.js'
import { answerOk, RequestHandler } from './handler.js'
import type { ChildReady, ChildStart } from './protocol.js'

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
  const engine = new Engine(join(options.dataDir, 'engine'), usersText(options.database))
  const spool = new Spool(options.spoolDir)
  const answer = await engine.read('weir', '', 'SELECT version(), timezone()', 'TabSeparated')
  const [version = '', timezone = ''] = answer.bytes.toString().trim().split('\t')
  const facts = { version, timezone, displayName: hostname(), logins: options.logins }
  const handler = new RequestHandler(engine, spool, await StatementGuard.of(engine), facts)
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
  const end = (deadlineMs: number) => void stop(server, engine, spool, () => running, deadlineMs)
  process.once('SIGTERM', () => end(drainDeadlineMs))
  process.once('disconnect', () => end(orphanDeadlineMs))
  if (!process.connected) end(orphanDeadlineMs)
  process.send?.({ kind: 'ready', port: portOf(server) } satisfies ChildReady)
}

async function stop(
  server: Server,
  engine: Engine,
  spool: Spool,
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
  engine.close()
  process.exit(0)
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
