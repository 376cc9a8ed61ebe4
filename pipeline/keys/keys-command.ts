// `weir keys create|ls|rotate|revoke`: the API keys of a running Weir.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'

interface KeyWire {
  readonly key_id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly status: string
  readonly created_at: string
  readonly expires_at: string | null
}

interface MadeKeyWire extends KeyWire {
  readonly token: string
}

export interface CreateKeyArguments extends GatewayArguments {
  readonly name: string
  readonly scope: readonly string[]
  readonly expires?: string
}

export interface RotateKeyArguments extends GatewayArguments {
  readonly id: string
  readonly overlapSeconds?: number
  readonly expires?: string
}

export function createKeyCommand(args: CreateKeyArguments, io: CliIo): Promise<number> {
  const { name, scope, expires } = args
  return answer(io, async () => {
    const made = await send<MadeKeyWire>(args.gateway, 'POST', '/v1/keys', {
      name,
      scopes: scope,
      ...(expires === undefined ? {} : { expires_at: expires }),
    })
    io.stdout.write(args.json ? `${JSON.stringify(made)}\n` : describeMade(made))
  })
}

export function listKeysCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const { keys } = await callGateway<{ keys: readonly KeyWire[] }>(gateway, '/v1/keys')
    io.stdout.write(json ? `${JSON.stringify(keys)}\n` : describeKeys(keys))
  })
}

export function rotateKeyCommand(args: RotateKeyArguments, io: CliIo): Promise<number> {
  const { id, overlapSeconds, expires } = args
  return answer(io, async () => {
    const made = await send<MadeKeyWire>(args.gateway, 'POST', `/v1/keys/${encodeURIComponent(id)}/rotate`, {
      ...(overlapSeconds === undefined ? {} : { overlap_seconds: overlapSeconds }),
      ...(expires === undefined ? {} : { expires_at: expires }),
    })
    io.stdout.write(args.json ? `${JSON.stringify(made)}\n` : describeMade(made))
  })
}

export function revokeKeyCommand(
  { gateway, json, id }: GatewayArguments & { readonly id: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const key = await callGateway<KeyWire>(gateway, `/v1/keys/${encodeURIComponent(id)}`, {
      method: 'DELETE',
    })
    io.stdout.write(json ? `${JSON.stringify(key)}\n` : `Key ${key.key_id} (${key.name}) is revoked.\n`)
  })
}

function send<T>(gateway: Gateway, method: string, path: string, body: object): Promise<T> {
  const headers = { 'content-type': jsonType }
  return callGateway<T>(gateway, path, { method, headers, body: JSON.stringify(body) })
}

function describeMade(key: MadeKeyWire): string {
  return [
    `Key ${key.key_id} (${key.name}), ${key.scopes.join(', ')}, ${lifeOf(key)}:`,
    `  ${key.token}`,
    'It is shown this once: only its hash is kept.',
    '',
  ].join('\n')
}

function lifeOf(key: KeyWire): string {
  return key.expires_at === null ? 'without an end' : `until ${key.expires_at}`
}

function describeKeys(keys: readonly KeyWire[]): string {
  if (keys.length === 0) return 'There are no keys.\n'
  const rows = keys.map(key => [
    key.key_id,
    key.name,
    key.scopes.join(' '),
    key.status,
    key.created_at,
    key.expires_at ?? 'never',
  ])
  const head = ['key', 'name', 'scopes', 'status', 'created', 'expires']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'left', 'left'], rows)}\n`
}
