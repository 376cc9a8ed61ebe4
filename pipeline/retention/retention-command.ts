// `weir retention`: shows what the streams hold and how much of it is needed; `apply` purges the rest,
// `forget` gives up a lost bucket. Works with and without a running Weir.

import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { GenesisBook } from '../broker/genesis.js'
import type { Feed } from '../deliver/feed.js'
import { type BrokerAccessOptions, withBroker } from '../servers/broker-access.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import { forgetBucket, type RetentionReport, retain } from './retention.js'

export interface RetentionArguments extends BrokerAccessOptions {
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
  readonly keepDays: number
  /** Purge; needs `yes`. */
  readonly apply: boolean
  readonly yes: boolean
  readonly json: boolean
}

export function retentionCommand(args: RetentionArguments, io: CliIo): Promise<number> {
  return withBroker(args, async nc => {
    const jsm = await jetstreamManager(nc)
    if ((await GenesisBook.open(nc, jsm)) === undefined) {
      io.stderr.write('No Weir has worked with this broker yet, or the bucket weir_genesis is lost.\n')
      return exitCodes.failed
    }
    const sinks = await new Kvm(nc).open('weir_sinks')
    const apply = args.apply && args.yes
    const report = await retain({
      jsm,
      sinks,
      feeds: args.feeds,
      keepDays: args.keepDays,
      nowMs: Date.now(),
      apply,
    })
    io.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report))
    if (args.apply && !args.yes) io.stderr.write('Nothing was purged. To do it: weir retention apply --yes\n')
    return exitCodes.ok
  })
}

export function forgetCommand(
  args: BrokerAccessOptions & { readonly bucket: string; readonly yes: boolean; readonly json: boolean },
  io: CliIo,
): Promise<number> {
  return withBroker(args, async nc => {
    const { bucket, yes, json } = args
    if (!yes) {
      io.stderr.write(
        `This gives up for ever what ${bucket} held. If so: weir retention forget ${bucket} --yes\n`,
      )
      return exitCodes.usage
    }
    if (await forgetBucket(nc, await jetstreamManager(nc), bucket)) {
      const done = json ? JSON.stringify({ forgotten: bucket }) : `The next start makes an empty ${bucket}.`
      io.stdout.write(`${done}\n`)
      return exitCodes.ok
    }
    io.stderr.write(`${bucket} is no bucket of Weir that is lost.\n`)
    return exitCodes.failed
  })
}

function describe({ streams, applied, keep_days: keepDays }: RetentionReport): string {
  const held = streams.map(one => [
    one.stream,
    String(one.messages),
    String(one.bytes),
    String(one.first_seq),
    String(one.last_seq),
  ])
  const safe = streams.flatMap(({ stream, safe: bounds }) =>
    bounds.map(bound => [
      stream,
      bound.partition === null ? 'all' : String(bound.partition),
      String(bound.before),
      bound.held_by,
      bound.purged === null ? '' : String(bound.purged),
    ]),
  )
  return [
    plainTable(
      ['stream', 'messages', 'bytes', 'first', 'last'],
      ['left', 'right', 'right', 'right', 'right'],
      held,
    ),
    '',
    plainTable(
      ['stream', 'partition', 'not needed before', 'held by', applied ? 'purged' : ''],
      ['left', 'right', 'right', 'left', 'right'],
      safe,
    ),
    '',
    applied ? '' : `Nothing was purged; everything of the last ${keepDays} days is kept in any case.`,
    '',
  ].join('\n')
}
