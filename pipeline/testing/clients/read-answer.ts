// Reads answers in the formats that clients of ClickHouse ask for, the binary ones as the clients' own sources describe them:
// RowBinary with names and types (JDBC) and Native in the client's revision (clickhouse-go). Knows nothing of the code that
// writes them.

export interface Answer {
  readonly columns: readonly string[]
  readonly types: readonly string[]
  readonly rows: readonly unknown[]
}

export function readJsonDocument(text: string): Answer {
  const { meta, data } = JSON.parse(text) as { meta: { name: string; type: string }[]; data: unknown[] }
  return { columns: meta.map(({ name }) => name), types: meta.map(({ type }) => type), rows: data }
}

export function readJsonLines(text: string): Answer {
  const lines = text.split('\n').filter(line => line !== '')
  return { columns: [], types: [], rows: lines.map(line => JSON.parse(line) as unknown) }
}

export function readRowBinary(bytes: Buffer): Answer {
  const reader = new Reader(bytes)
  const count = reader.varint()
  const columns = reader.times(count, () => reader.string())
  const types = reader.times(count, () => reader.string())
  const rows: unknown[][] = []
  while (!reader.atEnd()) rows.push(types.map(type => reader.value(type)))
  return { columns, types, rows }
}

/** `revision`: as clickhouse-go reads blocks. Every block must end where the next begins. */
export function readNative(bytes: Buffer, revision: number): Answer {
  const reader = new Reader(bytes)
  let columns: string[] = []
  let types: string[] = []
  const rows: unknown[][] = []
  while (!reader.atEnd()) {
    if (revision > 0) reader.blockInfo()
    const count = reader.varint()
    const length = reader.varint()
    const block = reader.times(count, () => {
      const name = reader.string()
      const type = reader.string()
      if (revision >= 54_454 && reader.byte() !== 0)
        throw new Error(`${name} is serialized in a way of its own`)
      if (length > 0) reader.columnPrefix(type)
      return { name, type, values: length > 0 ? reader.column(type, length) : [] }
    })
    columns = block.map(({ name }) => name)
    types = block.map(({ type }) => type)
    for (let row = 0; row < length; row++) rows.push(block.map(({ values }) => values[row]))
  }
  return { columns, types, rows }
}

class Reader {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  atEnd(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    return this.bytes.readUInt8(this.at++)
  }

  varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }

  take(length: number): Buffer {
    this.at += length
    if (this.at > this.bytes.length) throw new Error('the answer is cut off')
    return this.bytes.subarray(this.at - length, this.at)
  }

  string(): string {
    return this.take(this.varint()).toString('utf8')
  }

  times<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read)
  }

  /** Numbered fields up to a zero: 1 is a flag, 2 a 32-bit number. */
  blockInfo(): void {
    for (let field = this.varint(); field !== 0; field = this.varint()) this.take(field === 1 ? 1 : 4)
  }

  /** One value as RowBinary writes it. */
  value(type: string): unknown {
    const { name, parts } = parse(type)
    const [first = '', second = ''] = parts
    if (name === 'Nullable') return this.byte() === 1 ? null : this.value(first)
    if (name === 'LowCardinality') return this.value(first)
    if (name === 'Array') return this.times(this.varint(), () => this.value(first))
    if (name === 'Tuple') return parts.map(part => this.value(part))
    if (name === 'Map')
      return Object.fromEntries(
        this.times(this.varint(), () => [this.value(first), this.value(second)] as const),
      )
    return this.scalar(type)
  }

  columnPrefix(type: string): void {
    const { name, parts } = parse(type)
    if (name === 'LowCardinality') this.take(8)
    else if (['Nullable', 'Array', 'Tuple', 'Map'].includes(name))
      for (const part of parts) this.columnPrefix(part)
  }

  /** The values of a column as Native writes them. */
  column(type: string, length: number): unknown[] {
    if (length === 0) return []
    const { name, parts } = parse(type)
    const [first = ''] = parts
    if (name === 'Nullable') {
      const isNull = [...this.take(length)]
      return this.column(first, length).map((value, i) => (isNull[i] === 1 ? null : value))
    }
    if (name === 'LowCardinality') return this.dictionary(first.replace(/^Nullable\((.*)\)$/, '$1'), first)
    if (name === 'Array' || name === 'Map') {
      const ends = this.times(length, () => Number(this.take(8).readBigUInt64LE()))
      const inner = this.column(name === 'Map' ? `Tuple(${parts.join(', ')})` : first, ends.at(-1) ?? 0)
      const lists = ends.map((end, i) => inner.slice(ends[i - 1] ?? 0, end))
      return name === 'Array' ? lists : lists.map(pairs => Object.fromEntries(pairs as [string, unknown][]))
    }
    if (name === 'Tuple') {
      const columns = parts.map(part => this.column(part, length))
      return Array.from({ length }, (_, row) => columns.map(values => values[row]))
    }
    return this.times(length, () => this.scalar(type))
  }

  private dictionary(inner: string, declared: string): unknown[] {
    const width = 2 ** (Number(this.take(8).readBigUInt64LE()) & 255)
    const keys = this.column(inner, Number(this.take(8).readBigUInt64LE()))
    if (declared !== inner) keys[0] = null
    return this.times(
      Number(this.take(8).readBigUInt64LE()),
      () => keys[this.take(width).readUIntLE(0, width)],
    )
  }

  /** Integers of 64 bits and decimals as text, so that no digit is lost. */
  private scalar(type: string): unknown {
    const { name, parts } = parse(type)
    switch (name) {
      case 'String':
        return this.string()
      case 'FixedString':
        return this.take(Number(parts[0])).toString('latin1')
      case 'Bool':
        return this.byte() === 1
      case 'UInt8':
      case 'Enum8':
        return this.byte()
      case 'Int8':
        return this.take(1).readInt8()
      case 'UInt16':
      case 'Date':
        return this.take(2).readUInt16LE()
      case 'Int16':
        return this.take(2).readInt16LE()
      case 'UInt32':
      case 'DateTime':
        return this.take(4).readUInt32LE()
      case 'Int32':
        return this.take(4).readInt32LE()
      case 'UInt64':
        return `${this.take(8).readBigUInt64LE()}`
      case 'Int64':
      case 'DateTime64':
        return `${this.take(8).readBigInt64LE()}`
      case 'Float64':
        return this.take(8).readDoubleLE()
      case 'UUID':
      case 'Decimal':
        return this.take(name === 'UUID' || Number(parts[0]) > 18 ? 16 : 8).toString('hex')
      case 'Nothing':
        return this.byte() && null
      default:
        throw new Error(`no reader for ${type}`)
    }
  }
}

/** `Name(part, part)`, cut at the commas outside brackets and quotes; the name of a tuple's element is dropped. */
function parse(type: string): { name: string; parts: string[] } {
  const [, name = type, inner] = /^(\w+)\((.*)\)$/s.exec(type) ?? []
  const parts = inner?.match(/(?:'(?:\\.|[^'])*'|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|[^,'(])+/g) ?? []
  return { name, parts: parts.map(part => part.trim().replace(/^[a-z_]\w* (?=[A-Z])/, '')) }
}
