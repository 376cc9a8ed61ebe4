// The thread in which a shadow computes, as the main thread calls it. It begins with the shadow and ends with it, so that
// its memory is given back; it holds no partition of the pipeline, whose workers are threads of their own.

import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { builtFile } from '../../schemas/package-root.js'
import type { HistoryRequest } from '../core/ports/core-io.js'
import { bufferOf, type LoadTask, owned } from '../workers/protocol.js'
import type { EventIdentity, FeedTask, OpenCopyTask, Outcome } from './protocol.js'
import type {
  ChangesTask,
  ChargesPage,
  ChargesTask,
  DifferencePage,
  ReadingsTask,
  ReplayOptions,
  UsageTask,
} from './replay-protocol.js'

/** With its imports in one file, as that of the workers. */
const workerFile = 'pipeline/shadow/shadow-worker.bundle.js'
/** The heap of the thread; one that needs more ends alone, with an error. */
const heapMb = 4_096

export class ShadowThread {
  readonly #thread = new Piscina({
    filename: fileURLToPath(builtFile(workerFile)),
    minThreads: 1,
    maxThreads: 1,
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })

  async load(task: LoadTask): Promise<void> {
    const entries = owned(task.entries)
    await this.#run('load', { ...task, entries }, [entries])
  }

  async openCopy(task: OpenCopyTask): Promise<void> {
    const snapshot = task.snapshot === undefined ? undefined : owned(task.snapshot)
    const deltas = task.deltas.map(owned)
    await this.#run(
      'openCopy',
      { ...task, snapshot, deltas },
      snapshot === undefined ? deltas : [snapshot, ...deltas],
    )
  }

  async feed(task: FeedTask): Promise<readonly HistoryRequest[]> {
    return (await this.#run('feed', task)) as readonly HistoryRequest[]
  }

  async take(asked: readonly EventIdentity[]): Promise<Outcome> {
    return (await this.#run('take', asked)) as Outcome
  }

  async owedCharges(task: ChargesTask): Promise<ChargesPage> {
    return (await this.#run('owedCharges', task)) as ChargesPage
  }

  /** Returns the days of the longest period that an override has of its own. */
  async openReplay(options: ReplayOptions): Promise<number> {
    return (await this.#run('openReplay', options)) as number
  }

  async takeOwed(lines: Uint8Array): Promise<void> {
    await this.#run('takeOwed', owned(lines))
  }

  async applyChanges(task: ChangesTask): Promise<void> {
    await this.#run('applyChanges', task)
  }

  async beginUsage(): Promise<void> {
    await this.#run('beginUsage', undefined)
  }

  async feedUsage(task: UsageTask): Promise<void> {
    await this.#run('feedUsage', task)
  }

  async placeReadings(task: ReadingsTask): Promise<void> {
    await this.#run('placeReadings', task, [task.lines])
  }

  /** After the last line; what the live state holds and has not rated comes then. */
  async endReadings(nowMs: number): Promise<void> {
    await this.#run('endReadings', nowMs)
  }

  async differences(linesEach: number): Promise<DifferencePage> {
    return (await this.#run('differences', linesEach)) as DifferencePage
  }

  /** Ends the thread at once, whatever it computes. */
  async end(): Promise<void> {
    await this.#thread.destroy()
  }

  #run(name: string, task: unknown, given: readonly Uint8Array[] = []): Promise<unknown> {
    return this.#thread.run(task, { name, transferList: given.map(bufferOf) })
  }
}
