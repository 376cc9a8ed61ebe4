// How Weir's own user connects to a broker that Weir does not run.

import { readFile } from 'node:fs/promises'
import { credsAuthenticator } from '@nats-io/transport-node'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import type { WeirConfig } from '../config/config.js'

/** The login for a configured broker. */
export async function foreignBroker(nats: WeirConfig['nats']): Promise<NatsLogin> {
  const { url, user, password, token, creds } = nats
  return {
    servers: url ?? '',
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(await readFile(creds)) }),
  }
}
