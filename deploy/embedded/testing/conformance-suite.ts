// One run of the conformance suite: the server under test, a client of it, and a fresh database per test.

import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'

export interface ServerUnderTest {
  readonly url: string
  readonly user: string
  readonly password: string
}

/** JSON with digits that no reader can lose; both servers are asked for it in words. */
export const quoted = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
} as const

export class Suite {
  client!: ClickHouseClient
  database = ''
  private admin!: ClickHouseClient
  private count = 0
  private readonly server: () => ServerUnderTest

  constructor(server: () => ServerUnderTest) {
    this.server = server
  }

  get at(): ServerUnderTest {
    return this.server()
  }

  open(): void {
    this.admin = this.connect({})
  }

  connect(options: Parameters<typeof createClient>[0]): ClickHouseClient {
    const { url, user: username, password } = this.at
    return createClient({ url, username, password, log: { level: ClickHouseLogLevel.OFF }, ...options })
  }

  async createDatabase(): Promise<void> {
    this.database = `conformance_${process.pid}_${this.count++}`
    await this.admin.command({ query: `CREATE DATABASE ${this.database}` })
    this.client = this.connect({ database: this.database })
  }

  async dropDatabase(): Promise<void> {
    await this.client.close()
    await this.admin.command({ query: `DROP DATABASE ${this.database}` })
  }

  close(): Promise<void> {
    return this.admin.close()
  }

  async rows<T>(query: string, params: Record<string, unknown> = {}): Promise<T[]> {
    const result = await this.client.query({
      query,
      query_params: params,
      format: 'JSONEachRow',
      clickhouse_settings: quoted,
    })
    return result.json<T>()
  }

  async post(
    query: string,
    body: string | Buffer = '',
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const address = new URL(this.at.url)
    address.searchParams.set('database', this.database)
    if (query !== '') address.searchParams.set('query', query)
    const key = { 'X-ClickHouse-User': this.at.user, 'X-ClickHouse-Key': this.at.password }
    return fetch(address, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: { ...key, ...headers },
    })
  }
}
