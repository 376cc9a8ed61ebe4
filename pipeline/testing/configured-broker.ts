// For tests: nats-servers with a test's own configuration: logins of every kind, TLS, limits, clusters.
// `stop` ends all of them.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import {
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  nkeys,
} from '@nats-io/transport-node'
import { findNatsServer } from '../../deploy/embedded/nats-binary.js'

/** Lines of the server's configuration, and how a client connects to it. */
export interface Login {
  readonly lines: readonly string[]
  readonly options: NodeConnectionOptions
}

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export type LoginKind = 'password' | 'token' | 'nkey' | 'jwt' | 'tls' | 'tls and password'

export class ConfiguredBrokers {
  readonly #folder: string
  readonly #children = new Set<ChildProcess>()

  static async make(): Promise<ConfiguredBrokers> {
    return new ConfiguredBrokers(await mkdtemp(join(tmpdir(), 'weir-brokers-')))
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Starts a server on this port, with the store that an earlier server on the port left. */
  async start(port: number, lines: readonly string[] = []): Promise<ChildProcess> {
    const file = join(this.#folder, `${port}.conf`)
    const store = JSON.stringify(join(this.#folder, `store-${port}`))
    const own = ['host: "127.0.0.1"', `port: ${port}`, `jetstream { store_dir: ${store} }`]
    await writeFile(file, [...own, ...lines].join('\n'))
    const binary = await findNatsServer({ searchPath: process.env['PATH'] ?? '' })
    const child = spawn(binary, ['--config', file], { stdio: 'ignore' })
    this.#children.add(child)
    return child
  }

  async kill(child: ChildProcess): Promise<void> {
    this.#children.delete(child)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    for (const child of [...this.#children]) await this.kill(child)
    await rm(this.#folder, { recursive: true, force: true })
  }

  async login(kind: LoginKind): Promise<Login> {
    switch (kind) {
      case 'password':
        return {
          lines: ['authorization { user: me, password: secret }'],
          options: { user: 'me', pass: 'secret' },
        }
      case 'token':
        return { lines: ['authorization { token: secret }'], options: { token: 'secret' } }
      case 'nkey': {
        const user = nkeys.createUser()
        return {
          lines: [`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`],
          options: { authenticator: nkeyAuthenticator(user.getSeed()) },
        }
      }
      case 'jwt':
        return jwtLogin()
      case 'tls': {
        const files = await this.certificates()
        return { lines: [tlsLine(files)], options: { tls: { ca: await readFile(files.ca, 'utf8') } } }
      }
      case 'tls and password': {
        const { lines, options } = await this.login('password')
        const files = await this.certificates()
        return { lines: [...lines, tlsLine(files)], options: { ...options, tls: { caFile: files.ca } } }
      }
      default:
        return kind satisfies never
    }
  }

  /** A new authority and what it signed, for `localhost` alone. */
  async certificates(): Promise<Certificates> {
    const folder = await mkdtemp(join(this.#folder, 'tls-'))
    const [ca, caKey, cert, key] = ['ca.pem', 'ca-key.pem', 'cert.pem', 'key.pem'].map(name =>
      join(folder, name),
    ) as [string, string, string, string]
    const make = (name: string, keyFile: string, file: string, more: readonly string[]) => {
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
      const files = ['-keyout', keyFile, '-out', file, '-subj', `/CN=${name}`]
      execFileSync('openssl', ['req', '-x509', ...curve, ...files, ...more], { stdio: 'ignore' })
    }
    make('authority of a test', caKey, ca, [])
    const names = ['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE']
    make('localhost', key, cert, ['-CA', ca, '-CAkey', caKey, ...names])
    return { ca, cert, key }
  }
}

function tlsLine({ cert, key }: Certificates): string {
  return `tls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)} }`
}

/** An operator, an account with JetStream and a user, as `nsc` makes them; the server holds the accounts in memory. */
async function jwtLogin(): Promise<Login> {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const system = nkeys.createAccount() // JetStream asks for one in this mode
  const limits = {
    mem_storage: -1,
    disk_storage: -1,
    streams: -1,
    consumer: -1,
    conn: -1,
    subs: -1,
    data: -1,
    payload: -1,
  }
  const made = [
    [system, await encodeAccount('SYS', system, {}, { signer: operator })],
    [account, await encodeAccount('WEIR', account, { limits }, { signer: operator })],
  ] as const
  return {
    lines: [
      `operator: ${await encodeOperator('operator', operator, { system_account: system.getPublicKey() })}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${made.map(([key, jwt]) => `${key.getPublicKey()}: ${jwt}`).join(', ')} }`,
    ],
    options: { authenticator: credsAuthenticator(fmtCreds(await encodeUser('me', user, account), user)) },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
