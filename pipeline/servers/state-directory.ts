// The state directory and its one owner: it is created closed to other users, and locked while this process
// runs.
//
// Invariants:
// 1. The lock belongs to an open file of this process, so the system frees it however the process ends, and a
//    reused process id is never taken for the owner.
// 2. Nothing in the directory is touched before this process has the lock.
// 3. Neither the directory nor anything in it belongs to another user, who could replace the passwords in it.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { StartProblem } from './start-problem.js'

const lockName = 'weir.lock'

const ownerSchema = z.object({ pid: z.int(), since: z.string() })
type Owner = z.infer<typeof ownerSchema>

/**
 * Programs that lock the file at descriptor 3 without waiting. `flock` is part of util-linux, which every Linux has, and
 * of busybox. A lock made so stays with the open file, which we keep.
 */
const lockers: readonly (readonly [string, ...string[]])[] = [
  ['flock', '-n', '3'],
  [
    'perl',
    '-MFcntl=:flock',
    '-e',
    'open(my $f, "+<&=", 3) or exit 9; exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : 1)',
  ],
]
const heldByAnother = 1

export interface StateDirectory {
  /** Frees the lock for another process. Idempotent; the end of this process frees it too. */
  release(): void
}

/** Throws a `StartProblem`: `state_directory_in_use`, which names the owner, or `state_directory_not_ours`. */
export function ownStateDirectory(dataDir: string, now = new Date()): StateDirectory {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  refuseForeign(dataDir) // invariant 3
  const file = openLock(join(dataDir, lockName))
  try {
    lock(file, dataDir)
    chmodSync(dataDir, 0o700)
    ftruncateSync(file)
    writeSync(file, JSON.stringify({ pid: process.pid, since: now.toISOString() } satisfies Owner))
  } catch (error) {
    closeSync(file)
    throw error
  }
  let isOwned = true
  return {
    release() {
      if (!isOwned) return
      isOwned = false
      closeSync(file)
    },
  }
}

function refuseForeign(dataDir: string): void {
  const self = process.getuid?.()
  if (self === undefined) return
  const { uid } = statSync(dataDir)
  if (uid !== self)
    throw notOurs(dataDir, uid, `Make it ours (chown -R ${self}) or choose another directory.`)
  for (const name of readdirSync(dataDir)) {
    const path = join(dataDir, name)
    const owner = lstatSync(path).uid
    if (owner !== self && owner !== 0)
      throw notOurs(path, owner, 'Somebody else has put it there: look at it first.')
  }
}

function notOurs(path: string, uid: number, what: string): StartProblem {
  return new StartProblem('state_directory_not_ours', `${path} belongs to the user ${uid}. ${what}`, {
    path,
    uid,
  })
}

/** Changes nothing (invariant 2), and follows no link, since the opened file is emptied later. */
function openLock(path: string): number {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  try {
    return openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error
    throw new StartProblem('state_directory_not_ours', `${path} is a link, not our lock. Look at it first.`, {
      path,
    })
  }
}

function lock(file: number, dataDir: string): void {
  for (const [command, ...args] of lockers) {
    const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'ignore', file] })
    if (error !== undefined) continue // there is no such program
    if (status === 0) return
    if (status === heldByAnother) throw inUse(dataDir)
  }
  const names = lockers.map(([command]) => command).join(' nor ')
  throw new StartProblem(
    'state_directory_not_lockable',
    `${dataDir} cannot be locked: neither ${names} is on the PATH, or its file system knows no locks.`,
  )
}

function inUse(dataDir: string): StartProblem {
  const owner = ownerOf(dataDir)
  const who = owner === undefined ? 'another Weir' : `process ${owner.pid} since ${owner.since}`
  const detail = `${dataDir} is used by ${who}. Stop that one, or choose another directory with --data-dir.`
  return new StartProblem('state_directory_in_use', detail, { ...owner })
}

/** Undefined when the owner has not written it yet. */
function ownerOf(dataDir: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(join(dataDir, lockName), 'utf8')))
  } catch {
    return undefined
  }
}
