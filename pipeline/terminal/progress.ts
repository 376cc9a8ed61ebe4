// Progress for people: a bar per step on a terminal, a line per step elsewhere, nothing when asked to be quiet.

import cliProgress from 'cli-progress'
import type { CliIo } from './io.js'

/** The steps as they go by; `total` 0: not known beforehand. */
export interface Progress {
  step(name: string, total: number): { advance(count: number): void; done(): void }
  notice(line: string): void
}

export function showProgress(io: CliIo, quiet: boolean): Progress {
  if (quiet) return { step: () => ({ advance() {}, done() {} }), notice() {} }
  return io.isTTY ? bars(io) : lines(io)
}

function lines(io: CliIo): Progress {
  return {
    step(name, total) {
      const startedAt = performance.now()
      return {
        advance() {},
        done() {
          const count = total === 0 ? '' : `${total.toLocaleString('en-US')} `
          io.stderr.write(`${count}${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
        },
      }
    },
    notice: line => io.stderr.write(`${line}\n`),
  }
}

function bars(io: CliIo): Progress {
  return {
    step(name, total) {
      const format =
        total === 0 ? '{name} {duration_formatted}' : '{name} {bar} {value}/{total} {duration_formatted}'
      const bar = new cliProgress.SingleBar(
        { format, hideCursor: true, barsize: 24 },
        cliProgress.Presets.shades_classic,
      )
      bar.start(Math.max(1, total), 0, { name: name.padEnd(56) })
      return {
        advance: count => bar.increment(count),
        done() {
          bar.update(Math.max(1, total))
          bar.stop()
        },
      }
    },
    notice: line => io.stderr.write(`${line}\n`),
  }
}
