// Checks, before any server is started, that the configured ports are free.

import { createServer } from 'node:net'
import type { WeirConfig } from '../config/config.js'
import { StartProblem } from './start-problem.js'

const loopback = '127.0.0.1'

/** Throws a `StartProblem` for the first port that is taken. Another program may still take one afterwards. */
export async function requireFreePorts({ http, nats, clickhouse }: WeirConfig): Promise<void> {
  await requireFree('http.port', http.port, http.host)
  if (nats.url === undefined) await requireFree('nats.port', nats.port ?? 0, loopback)
  if (nats.url === undefined) await requireFree('nats.websocket_port', nats.websocketPort ?? 0, loopback)
  if (clickhouse.url === undefined) await requireFree('clickhouse.port', clickhouse.port ?? 0, loopback)
  const named = [
    ['http.port', http.port],
    ['nats.port', nats.url === undefined ? (nats.port ?? 0) : 0],
    ['nats.websocket_port', nats.url === undefined ? (nats.websocketPort ?? 0) : 0],
    ['clickhouse.port', clickhouse.url === undefined ? (clickhouse.port ?? 0) : 0],
  ] as const
  for (const [index, [setting, port]] of named.entries()) {
    const twin = named.slice(0, index).find(([, other]) => port !== 0 && other === port)
    if (twin !== undefined)
      throw new StartProblem('port_in_use', `${setting} and ${twin[0]} are both ${port}.`, { setting, port })
  }
}

async function requireFree(setting: string, port: number, host: string): Promise<void> {
  if (port === 0) return // any free port
  const code = await listenError(port, host)
  if (code === undefined) return
  const facts = { setting, port, host }
  if (code === 'EADDRINUSE') {
    const variable = `WEIR_${setting.replace('.', '_').toUpperCase()}`
    const other = setting === 'nats.websocket_port' ? 'to another port' : '(0: any free port)'
    const detail = `${setting}: port ${port} of ${host} is taken by another program. Stop it, or set ${variable} ${other}.`
    throw new StartProblem('port_in_use', detail, facts)
  }
  throw new StartProblem(
    'address_not_usable',
    `${setting}: nobody can listen on ${host}:${port} (${code}).`,
    facts,
  )
}

function listenError(port: number, host: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    probe.listen(port, host, () => probe.close(() => resolve(undefined)))
  })
}
