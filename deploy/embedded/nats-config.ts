// The configuration of the embedded nats-server: durability, limits, and permissions.
//
// Three accounts, each with its own subjects. `WEIR` holds the streams and Weir's internal messages. The
// other accounts see only the subjects that are imported here, so that not even the reply subject of a
// request reaches the ledger, the keys or the orders, and no user can read another's inbox.
//
//   publisher   usage.>, changes.>             ──▶ the streams METERING, LIFECYCLE and UNPLACED, and their answer
// consumer the streams BILLING and POSTINGS, read through the durable consumers that Weir makes; its
// JetStream calls begin with `$JS.weir.API` (option `domain: 'weir'` of a client)
//
// Invariant: I1: `sync_interval: always`, so an acknowledgement means that the bytes have reached the disk.

import type { Login } from './passwords.js'

export const natsUsers = ['weir', 'publisher', 'consumer'] as const
export type NatsUser = (typeof natsUsers)[number]

/** JetStream domain under which the user `consumer` finds its streams. */
export const consumerDomain = 'weir'

/** 8 MB of events, plus headers and the subject. */
const maxPayloadBytes = 9 << 20

const producerSubjects = ['usage.>', 'changes.>']

/** Calls that read a stream or move an existing consumer's cursor; none creates, alters or deletes. */
const readerCalls = (stream: string) => [
  `STREAM.INFO.${stream}`,
  `STREAM.MSG.GET.${stream}`,
  `CONSUMER.INFO.${stream}.*`,
  `CONSUMER.NAMES.${stream}`,
  `CONSUMER.LIST.${stream}`,
  `CONSUMER.MSG.NEXT.${stream}.*`,
]
const readStreams = ['BILLING', 'POSTINGS']

/** A listener on loopback, without TLS. Users and passwords are those of the plain port. */
export interface WebSocketListener {
  readonly port: number
  /** Origins of web pages that may connect; empty: none but the server's own. A client that is no page names none. */
  readonly origins: readonly string[]
}

export interface NatsConfig {
  readonly storeDir: string
  readonly logFile: string
  /** -1: a free one. */
  readonly port: number
  readonly logins: Readonly<Record<NatsUser, Login>>
  readonly websocket?: WebSocketListener | undefined
}

export function natsConfigText({ storeDir, logFile, port, logins, websocket }: NatsConfig): string {
  return [
    'host: "127.0.0.1"',
    `port: ${port}`,
    `ports_file_dir: ${quote(storeDir)}`,
    `max_payload: ${maxPayloadBytes}`,
    `log_file: ${quote(logFile)}`,
    'logfile_size_limit: 16MB',
    'jetstream {',
    `  store_dir: ${quote(storeDir)}`,
    '  sync_interval: always',
    // The disk is the limit; without this the server takes three quarters of the space that is free at its
    // start.
    '  max_file_store: 16TB',
    '  max_memory_store: 1GB',
    '}',
    ...(websocket === undefined ? [] : webSocketLines(websocket)),
    ...accounts(logins),
    '',
  ].join('\n')
}

function webSocketLines({ port, origins }: WebSocketListener): string[] {
  const pages =
    origins.length === 0 ? 'same_origin: true' : `allowed_origins: [${origins.map(quote).join(', ')}]`
  return ['websocket {', '  host: "127.0.0.1"', `  port: ${port}`, '  no_tls: true', `  ${pages}`, '}']
}

function accounts(logins: NatsConfig['logins']): string[] {
  const acks = readStreams.map(stream => `$JS.ACK.${stream}.>`)
  const calls = readStreams.flatMap(readerCalls)
  const streamed = (call: string) => (call.includes('MSG.NEXT') ? ', response_type: stream' : '')
  const from = (subject: string, to?: string) =>
    `{service: {account: WEIR, subject: ${quote(subject)}}${to === undefined ? '' : `, to: ${quote(to)}`}}`
  const domain = (call: string) => `$JS.${consumerDomain}.API.${call}`
  return [
    'accounts {',
    '  WEIR {',
    '    jetstream: enabled',
    `    users: [${user(logins.weir)}]`,
    '    exports: [',
    ...[...producerSubjects, ...acks].map(subject => `      {service: ${quote(subject)}}`),
    ...calls.map(call => `      {service: ${quote(`$JS.API.${call}`)}${streamed(call)}}`),
    '    ]',
    '  }',
    '  PRODUCERS {',
    `    users: [${user(logins.publisher, producerSubjects)}]`,
    `    imports: [${producerSubjects.map(subject => from(subject)).join(', ')}]`,
    '  }',
    '  CONSUMERS {',
    `    users: [${user(logins.consumer, [...acks, ...calls.map(domain)])}]`,
    '    imports: [',
    ...acks.map(subject => `      ${from(subject)}`),
    ...calls.map(call => `      ${from(`$JS.API.${call}`, domain(call))}`),
    '    ]',
    '  }',
    '}',
  ]
}

function user({ user: name, password }: Login, publish?: readonly string[]): string {
  const permissions =
    publish === undefined
      ? ''
      : `, permissions: {publish: [${publish.map(quote).join(', ')}], subscribe: ["_INBOX.>"]}`
  return `{user: ${quote(name)}, password: ${quote(password)}${permissions}}`
}

function quote(text: string): string {
  return JSON.stringify(text)
}
