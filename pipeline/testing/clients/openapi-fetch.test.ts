// A typed client made from the OpenAPI document of a running Weir (npm `openapi-typescript` and `openapi-fetch`): its types
// compile under the strictest settings, and a small program against them runs.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import openapiTS, { astToString } from 'openapi-typescript'
import ts from 'typescript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { packageRoot } from '../../../schemas/package-root.js'

const generousMs = 300_000
const program = `
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

const [, , baseUrl = '', key = ''] = process.argv
const client = createClient<paths>({ baseUrl, headers: { authorization: 'Bearer ' + key } })

const event: components['schemas']['CloudEvent'] = {
  specversion: '1.0',
  id: 'typed-1',
  source: 'openapi-fetch',
  type: 'llm.request',
  subject: 'acme',
  data: { tokens: 7 },
}
const sent = await client.POST('/v1/events', { body: [event, { ...event, id: '' }] })
if (sent.error !== undefined) throw new Error(sent.error.code)
const accepted: number = sent.data.accepted
const rejected: string | undefined = sent.data.rejected[0]?.pointer

const early = await client.POST('/v1/billing-runs', {
  params: { header: { 'Idempotency-Key': 'typed' } },
  body: { cutoff: '2199-01-01T00:00:00Z' },
})
let refused = 'not at all'
switch (early.error?.code) {
  case 'cutoff_in_future':
    refused = early.error.title
    break
  case 'unknown_entity':
  case 'idempotency_key_reused':
    throw new Error(early.error.detail)
}
const missing = await client.GET('/v1/billing-runs/{id}', { params: { path: { id: 'br_00' } } })
const made = await client.POST('/v1/keys', { body: { name: 'typed', scopes: ['read'] } })
const scopes: readonly ('admin' | 'read' | string)[] = made.data?.scopes ?? []
const health = await client.GET('/readyz')
console.log(
  JSON.stringify({ accepted, rejected, refused, missing: missing.error?.code, scopes, status: health.data?.status }),
)
`

let weir: SupervisedWeir
let folder: string

beforeAll(async () => {
  const cache = fileURLToPath(new URL('.cache/', packageRoot)) // within the package, so that imports find node_modules
  await mkdir(cache, { recursive: true })
  folder = await mkdtemp(join(cache, 'typed-client-'))
  weir = await SupervisedWeir.start()
  await weir.ready()
  const document = (await (await fetch(`${weir.url}/openapi.json`)).json()) as Parameters<typeof openapiTS>[0]
  await writeFile(join(folder, 'api.ts'), astToString(await openapiTS(document)))
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

/** What the compiler says of a program; the compiled one lies beside it. */
async function compiled(name: string, source: string): Promise<string[]> {
  const file = join(folder, `${name}.ts`)
  await writeFile(file, source)
  const made = ts.createProgram([file], {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: true },
    ...{ target: ts.ScriptTarget.ES2022, lib: ['lib.es2023.d.ts'], types: ['node'] },
    ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  })
  const { diagnostics } = made.emit()
  return [...ts.getPreEmitDiagnostics(made), ...diagnostics].map(({ messageText }) =>
    ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}

test(
  'a program against the types that openapi-typescript makes compiles, and runs with openapi-fetch',
  async () => {
    expect(await compiled('program', program)).toEqual([])
    const key = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(folder, 'program.js'),
      weir.url,
      key,
    ])
    expect(JSON.parse(stdout)).toEqual({
      accepted: 1,
      rejected: '/id',
      refused: 'Cannot be done',
      missing: 'not_found',
      scopes: ['read'],
      status: 'ready',
    })
  },
  generousMs,
)

test(
  'canary: a member, a code and a path that the document does not name do not compile',
  async () => {
    for (const [name, right, wrong] of [
      ['member', 'sent.data.accepted', 'sent.data.acepted'],
      ['code', "case 'cutoff_in_future'", "case 'cutoff_in_past'"],
      ['path', "GET('/readyz')", "GET('/ready')"],
    ] as const)
      expect([name, (await compiled(name, program.replace(right, wrong))).length]).not.toEqual([name, 0])
  },
  generousMs,
)
