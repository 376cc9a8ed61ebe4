// What both embedded servers need of their processes: one owner per directory, and an orderly stop with a deadline.
// A server's pid is kept beside its data, because a server that outlives us (kill -9) still holds that data.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** How long a server may take to end by itself before it is killed. */
const stopDeadlineMs = 15_000

/**
 * Stops the process named in the pid file, if it is still the server of this directory. A pid may have been given to
 * another program since, so a process is touched only if every one of `marks` is in its command line.
 */
export async function stopStaleProcess(pidFile: string, marks: readonly string[]): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
  if (Number.isInteger(pid) && pid > 1 && runs(pid, marks)) {
    process.kill(pid, 'SIGTERM')
    const deadline = Date.now() + stopDeadlineMs
    while (runs(pid, marks)) {
      if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
      await sleep(20)
    }
  }
  await rm(pidFile, { force: true })
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

/** SIGTERM, and SIGKILL when the deadline passes. */
export async function stopProcess(child: ChildProcess, exited: Promise<ProcessExit>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  await exited
  clearTimeout(timer)
}

/** The server ends when this process exits. A signal that nobody handles is no exit: commands that own servers handle it. */
export function endWithUs(child: ChildProcess): void {
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  void once(child, 'exit').then(
    () => process.removeListener('exit', kill),
    () => process.removeListener('exit', kill),
  )
}

function runs(pid: number, marks: readonly string[]): boolean {
  const commandLine = commandLineOf(pid)
  return commandLine !== null && marks.every(mark => commandLine.includes(mark))
}

/** Null when there is no such process, or none whose command line can be read: then it is not ours to stop. */
function commandLineOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return null
  }
}
