// `weir schemas publish|check|ls|show`: asks a running Weir.
// Exit code 0: done, or nothing breaks; 1: something breaks, or it could not be asked; 78: the file is no JSON and no YAML.

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { parse } from 'yaml'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'

export interface SentSchema extends GatewayArguments {
  readonly file: string
  readonly type: string | undefined
  readonly from: string | undefined
  readonly isDryRun: boolean
}

interface Verdict {
  readonly event_type: string
  readonly version: number
  readonly compatibility: string
  readonly published: boolean
  readonly breaks: readonly { readonly pointer: string; readonly detail: string }[]
}

interface Shown {
  readonly event_type: string
  readonly version: number
  readonly from?: string
  readonly schema: unknown
}

export async function sendSchema(sent: SentSchema, io: CliIo): Promise<number> {
  const { gateway, json, file, from, isDryRun } = sent
  const type = sent.type ?? basename(file).replace(/(\.schema)?\.(json|ya?ml)$/, '')
  let schema: unknown
  try {
    schema = parse(await readFile(file, 'utf8'))
  } catch (error) {
    io.stderr.write(
      `weir: ${file}: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}\n`,
    )
    return exitCodes.badConfiguration
  }
  let breaks = 0
  const code = await answer(io, async () => {
    const body = { event_type: type, schema, dry_run: isDryRun, ...(from === undefined ? {} : { from }) }
    const verdict = await callGateway<Verdict>(gateway, '/v1/schemas', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    breaks = verdict.breaks.length
    io.stdout.write(json ? `${JSON.stringify(verdict)}\n` : told(verdict, isDryRun))
  })
  return code === exitCodes.ok && breaks > 0 ? exitCodes.failed : code
}

function told(
  { event_type: type, version, compatibility, published, breaks }: Verdict,
  isDryRun: boolean,
): string {
  if (published)
    return `${type}: version ${version} is published and in force in a minute, or from when you said.\n`
  if (breaks.length > 0) {
    const lines = breaks.map(({ pointer, detail }) => `  /data${pointer}: ${detail}\n`)
    return `${type}: version ${version} would not be ${compatibility} compatible:\n${lines.join('')}`
  }
  return isDryRun
    ? `${type}: it could be version ${version}.\n`
    : `${type}: it is version ${version} already.\n`
}

export function listSchemas({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<{ readonly schemas: readonly Shown[] }>(gateway, '/v1/schemas')
    const rows = found.schemas.map(one => [one.event_type, String(one.version), one.from ?? ''])
    const table = plainTable(['type', 'version', 'in force from'], ['left', 'right', 'left'], rows)
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : `${table}\n`)
  })
}

export function showSchema(
  {
    gateway,
    json,
    type,
    version,
  }: GatewayArguments & { readonly type: string; readonly version: string | undefined },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const at = [type, ...(version === undefined ? [] : [version])].map(encodeURIComponent).join('/')
    const found = await callGateway<Shown>(gateway, `/v1/schemas/${at}`)
    io.stdout.write(`${json ? JSON.stringify(found) : JSON.stringify(found.schema, null, 2)}\n`)
  })
}
