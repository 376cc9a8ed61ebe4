// The life of an embedded server's process: one per directory, an orderly stop with a deadline, and an end
// when Weir's process ends, however it ends.
//
// Invariants:
// 1. A process is ended only if it is the server of this directory: its environment names the directory, its
//    arguments are those of our start, and it belongs to our user. A process id alone proves nothing.
// 2. When this process has ended, also by `kill -9`, a server gets SIGTERM at once and SIGKILL a little
//    later, even if it is frozen.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A server ended before it was ready. */
export class EndedEarly extends Error {
  override readonly name = 'EndedEarly'
  readonly exit: ProcessExit

  constructor(exit: ProcessExit, options?: ErrorOptions) {
    super(`it ended with ${exit.code ?? exit.signal ?? 'an error'}`, options)
    this.exit = exit
  }
}

/** How a server of a directory is recognised. */
export interface ProcessMark {
  /** Variables that its environment must hold. */
  readonly env: Readonly<Record<string, string>>
  /** Its last arguments. */
  readonly args: readonly string[]
}

const directoryVariable = 'WEIR_SERVER_OF'
/** How long a server may take to end by itself before it is killed. */
const stopDeadlineMs = 15_000
/** The same for a server whose owner has ended: no client waits for its work. */
const orphanDeadlineMs = 3_000

export function processMark(directory: string, args: readonly string[]): ProcessMark {
  return { env: { [directoryVariable]: directory }, args }
}

/** Ends servers that an earlier process of ours has left running on this directory. */
export async function endOrphans(mark: ProcessMark): Promise<void> {
  const deadline = Date.now() + orphanDeadlineMs
  for (let asked = false; ; asked = true) {
    const found = processIds().filter(pid => bears(pid, mark)) // invariant 1
    if (found.length === 0) return
    const late = Date.now() > deadline
    if (late || !asked) for (const pid of found) signal(pid, late ? 'SIGKILL' : 'SIGTERM')
    await sleep(20)
  }
}

/** Resolves when the process has ended, however it ended. Never rejects. */
export function exitOf(child: ChildProcess): Promise<ProcessExit> {
  if (child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve({ code: child.exitCode, signal: child.signalCode })
  return new Promise(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })
}

/** The end of a log, for an error message. */
export async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-5).join('\n')
}

/** SIGTERM, and SIGKILL when the deadline passes. */
export async function stopProcess(child: ChildProcess, exited: Promise<ProcessExit>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  await exited
  clearTimeout(timer)
}

/**
 * Waits for the end of its standard input, a pipe that the system closes when our process ends. It checks the
 * command line before each signal, because the process id may have been reused.
 */
const watcherScript = `
same() { [ "$(tr '\\0' '\\n' 2>/dev/null </proc/$1/cmdline)" = "$2" ]; }
line=$(tr '\\0' '\\n' </proc/$1/cmdline)
read -r _
same "$1" "$line" && kill -TERM "$1"
sleep 1
same "$1" "$line" && kill -KILL "$1"
`

/**
 * Ends the server when this process ends. An unhandled signal or `kill -9` runs no code of ours, so the
 * watcher ends the server: a separate shell that shares only a pipe with this process.
 */
export function endWithUs(child: ChildProcess, pid: number): void {
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  const watcher = spawn('/bin/sh', ['-c', watcherScript, 'weir-watch', `${pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C reaches the whole terminal
  })
  watcher.on('error', () => {}) // no shell: what remains is the end of orphans at the next start
  watcher.stdin.on('error', () => {})
  watcher.unref()
  const over = () => {
    process.removeListener('exit', kill)
    watcher.kill('SIGKILL')
  }
  void once(child, 'exit').then(over, over)
}

function bears(pid: number, { env, args }: ProcessMark): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.getuid?.()) return false
    const given = textsOf(`/proc/${pid}/cmdline`)
    if (args.some((argument, index) => given[given.length - args.length + index] !== argument)) return false
    const environment = new Set(textsOf(`/proc/${pid}/environ`))
    return Object.entries(env).every(([name, value]) => environment.has(`${name}=${value}`))
  } catch {
    return false // it has ended meanwhile, or is not ours to look at
  }
}

function textsOf(file: string): string[] {
  return readFileSync(file, 'utf8').replace(/\0$/, '').split('\0')
}

/** Without `/proc` no process is found; then only the watcher ends orphaned servers. */
function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter(pid => Number.isInteger(pid) && pid > 1 && pid !== process.pid)
  } catch {
    return []
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it has ended
  }
}
