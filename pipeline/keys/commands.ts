// `weir keys create|ls|rotate|revoke`.

import { Option } from 'commander'
import {
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'
import { scopes } from '../gateway/scopes.js'
import type { CreateKeyArguments, RotateKeyArguments } from './keys-command.js'

type CreateOptions = GatewayOptions & Omit<CreateKeyArguments, 'gateway' | 'json'>
type RotateOptions = GatewayOptions & Omit<RotateKeyArguments, 'gateway' | 'json' | 'id'>

const load = () => import('./keys-command.js')

export const keysCommands: DeclareCommands = (program, line) => {
  const keys = program.command('keys').description('API keys: what each may do, and until when')

  const create = keys
    .command('create')
    .description('make a key; its token is shown this once')
    .requiredOption('--name <text>', 'who uses the key, and for what')
    .addOption(
      new Option('--scope <scopes...>', 'what it may do').choices([...scopes]).makeOptionMandatory(true),
    )
    .option('--expires <instant>', 'RFC 3339 instant; default: never')
  withGateway(create, 'print the key as JSON').action((options: CreateOptions) =>
    line.run(async () => {
      const { createKeyCommand } = await load()
      return createKeyCommand({ ...options, ...(await line.gateway(options)) }, line.io)
    }),
  )

  const ls = keys.command('ls').description('all keys, revoked and expired ones too')
  withGateway(ls, 'print the keys as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await load()).listKeysCommand(await line.gateway(options), line.io)),
  )

  const rotate = keys
    .command('rotate')
    .description('make a key with the same name and scopes; the old one expires after an overlap')
    .argument('<id>')
    .option('--overlap-seconds <count>', 'how long the old key goes on (default: a day)', wholeNumber)
    .option('--expires <instant>', 'of the new key; default: never')
  withGateway(rotate, 'print the key as JSON').action((id: string, options: RotateOptions) =>
    line.run(async () => {
      const { rotateKeyCommand } = await load()
      return rotateKeyCommand({ ...options, id, ...(await line.gateway(options)) }, line.io)
    }),
  )

  const revoke = keys.command('revoke').description('end a key, at once and for ever').argument('<id>')
  withGateway(revoke, 'print the key as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).revokeKeyCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )
}
