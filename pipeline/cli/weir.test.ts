// The command line as a process: exit codes, and the messages for wrong input.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../schemas/package-root.js'
import { environment } from '../environment.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-cli-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function weir(args: readonly string[], env = environment()): Promise<Ended> {
  const program = fileURLToPath(new URL('dist/pipeline/cli/weir.js', packageRoot))
  return new Promise(resolve => {
    const child = execFile(process.execPath, [program, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr })
    })
  })
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

test('a command that there is not ends with 2, asked for help or not', async () => {
  for (const args of [
    ['nosuch'],
    ['nosuch', '--help'],
    ['keys', 'nosuch', '--help'],
    ['--config', 'x', 'demoo', '-h'],
  ]) {
    const ended = await weir(args)
    expect(ended, args.join(' ')).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr, args.join(' ')).toContain('there is no command')
  }
  expect((await weir(['keys', 'create', '--help'])).code).toBe(0)
})

test('catalogs and configurations that cannot be read end with 78, events that cannot be read with 1', async () => {
  const catalog = await file('catalog.yaml', 'meters: []\nplans: []\n')
  const absent = join(folder, 'absent')
  expect(await weir(['validate', absent, catalog])).toMatchObject({
    code: 78,
    stdout: expect.stringMatching(/absent: There is no such file\.[\s\S]*catalog.yaml: valid catalog/),
  })
  expect((await weir(['start', '--catalog', absent])).code).toBe(78)
  expect((await weir(['start', '--config', absent])).code).toBe(78)
  const simulated = await weir(['simulate', '--catalog', absent, '--events', absent])
  expect(simulated.code).toBe(78)
  expect(simulated.stderr).toContain(`${absent}: There is no such file. (file_unreadable)`)
  expect((await weir(['simulate', '--catalog', catalog, '--events', absent])).code).toBe(1)
  expect((await weir(['validate', folder])).code).toBe(78)
})

test('the faults of a configuration come in the order of its lines, in words of ours', async () => {
  const config = await file(
    'config.yaml',
    'http:\n  port: hello\npartitions: -4\nnonsense: 1\ncommit:\n  linger_ms: 1.5\n  max_event: 2\nlog_level: loud\n',
  )
  const { code, stdout } = await weir(['validate', config])
  expect(code).toBe(78)
  expect(
    stdout
      .trim()
      .split('\n')
      .map(line => line.replace(`${config}:`, '')),
  ).toEqual([
    '2: http.port: It must be a number.',
    '3: partitions: It must be at least 1.',
    expect.stringMatching(/^4: nonsense: There is no such setting; the nearest is /),
    '6: commit.linger_ms: It must be a whole number.',
    '7: commit.max_event: There is no such setting; the nearest is commit.max_events.',
    '8: log_level: It must be one of trace, debug, info, warn, error, silent.',
  ])
})

test('a benchmark lists the options that it takes and no others', async () => {
  const latency = (await weir(['bench', 'latency', '--help'])).stdout
  expect(latency).toContain('--rate')
  expect(latency).not.toContain('--rounds')
  const compare = (await weir(['bench', 'compare', '--help'])).stdout
  expect(compare).toContain('--rounds')
  expect(compare).not.toContain('--rate')
  expect((await weir(['bench', 'floor', '--rate', '1'])).code).toBe(2)
})

test('the help of start names every setting and its variable', async () => {
  const { stdout } = await weir(['start', '--help'])
  for (const name of ['http.port (WEIR_HTTP_PORT)', 'backpressure.max_pending_bytes (WEIR_BACKPRESSURE_']) {
    expect(stdout).toContain(name)
  }
})

test('a flag that is wrong is named as it was typed', async () => {
  const ended = await weir(['--data-dir', join(folder, 'unused'), 'start', '--port', '99999'])
  expect(ended.code).toBe(78)
  expect(ended.stderr).toMatch(/^http\.port: .* \(from --port\)$/m)
})

test('a Weir that cannot be asked is named with the reason, whichever command asks', async () => {
  const unused = join(folder, 'unused')
  const away = ['--url', 'http://127.0.0.1:2']
  for (const command of [
    ['reconcile'],
    ['billing-run', 'show', 'br_1'],
    ['keys', 'ls'],
    ['keys', 'create', '--name', 'n', '--scope', 'read'],
  ]) {
    const nothing = await weir(['--data-dir', unused, ...command])
    expect(nothing.code, command.join(' ')).toBe(1)
    expect(nothing.stderr).toContain(`No Weir was started on the data directory ${unused}. Start one`)
    const silent = await weir(['--data-dir', unused, ...command, ...away])
    expect(silent.code, command.join(' ')).toBe(1)
    expect(silent.stderr).toContain('No Weir answers at http://127.0.0.1:2 (connect ECONNREFUSED')
    const wrong = await weir(['--data-dir', unused, ...command, '--url', 'nonsense'])
    expect(wrong.stderr).toContain('No Weir answers at nonsense (Invalid URL)')
  }
})

test('--version and the help of every command load no server, no client and no parser', async () => {
  const log = join(folder, 'loaded')
  const hooks = `import { appendFileSync } from 'node:fs'
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(log)}, url + '\\n')
      return next(url, context)
    }`
  const register = `import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))`
  const env = {
    ...environment(),
    NODE_OPTIONS: `--import="data:text/javascript,${encodeURIComponent(register)}"`,
  }
  const loadedBy = async (args: readonly string[]): Promise<string[]> => {
    await writeFile(log, '')
    expect(await weir(args, env), args.join(' ')).toMatchObject({ code: 0, stderr: '' })
    const urls = (await readFile(log, 'utf8')).split('\n').filter(url => url.startsWith('file:'))
    return urls.map(url => url.slice(packageRoot.href.length))
  }
  const names = [
    'start',
    'demo',
    'simulate',
    'validate',
    'reconcile',
    'billing-run',
    'retention',
    'keys',
    'bench',
  ]
  for (const args of [['--version'], ['--help'], ...names.map(name => [name, '--help'])]) {
    const loaded = await loadedBy(args)
    expect(loaded, args.join(' ')).toContain('dist/pipeline/cli/weir.js')
    const packages = loaded.filter(url => url.startsWith('node_modules/'))
    // The second is one small function, with which the settings name the nearest known word.
    const small = /^node_modules\/(commander|fastest-levenshtein)\//
    expect(
      packages.filter(url => !small.test(url)),
      args.join(' '),
    ).toEqual([])
    expect(loaded.filter(url => /(server|sink|engine|config-schema)[^/]*\.js$/.test(url))).toEqual([])
  }
})
