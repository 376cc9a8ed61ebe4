// How Weir's own user connects to a broker and to a ClickHouse that Weir does not run: logins and TLS, from the settings.
//
// Invariant: a URL that begins with `tls:`, and any file for TLS, means that a server without TLS is refused.

import { readFile } from 'node:fs/promises'
import { credsAuthenticator } from '@nats-io/transport-node'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import type { ClickHouseConfig } from '../../sinks/clickhouse/config.js'
import type { WeirConfig } from '../config/config.js'
import { StartProblem } from './start-problem.js'

/** The login for a configured broker. Throws a `StartProblem` when a file that a setting names cannot be read. */
export async function foreignBroker(nats: WeirConfig['nats']): Promise<NatsLogin> {
  const { url = [], user, password, token, creds } = nats
  const tls = await tlsOf(nats, url)
  return {
    servers: url.map(one => one.replace(/\/$/, '')),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(await read('nats.creds', creds)) }),
    ...(tls === undefined ? {} : { tls }),
  }
}

async function tlsOf(
  { ca, cert, key }: WeirConfig['nats'],
  urls: readonly string[],
): Promise<NatsLogin['tls']> {
  const isWanted = urls.some(url => /^tls:/i.test(url)) || (ca ?? cert ?? key) !== undefined
  if (!isWanted) return undefined // with `undefined` the client still uses TLS where the server asks for it
  return {
    ...(ca === undefined ? {} : { ca: await text('nats.ca', ca) }),
    ...(cert === undefined ? {} : { cert: await text('nats.cert', cert) }),
    ...(key === undefined ? {} : { key: await text('nats.key', key) }),
  }
}

/** The connection to a configured ClickHouse. */
export async function foreignClickHouse(clickhouse: WeirConfig['clickhouse']): Promise<ClickHouseConfig> {
  const { url = '', user, password, ca, database } = clickhouse
  return {
    url,
    user: user ?? 'default',
    password: password ?? '',
    database,
    ...(ca === undefined ? {} : { caCertificate: await text('clickhouse.ca', ca) }),
  }
}

async function text(setting: string, file: string): Promise<string> {
  return (await read(setting, file)).toString('utf8')
}

async function read(setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new StartProblem('file_unreadable', `${setting}: ${file} cannot be read (${reason}).`, {
      setting,
      file,
    })
  }
}
