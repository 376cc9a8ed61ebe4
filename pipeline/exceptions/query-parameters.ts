// The parameters of one ClickHouse query: values that came from outside are never part of its text.

export type ParameterType = 'String' | 'Array(String)' | 'Int64' | 'UInt64' | 'UInt32'

export class QueryParameters {
  readonly values: Record<string, string | number | readonly string[]> = {}
  #count = 0

  /** Keeps the value, and answers the placeholder that stands for it. */
  add(type: ParameterType, value: string | number | readonly string[]): string {
    const name = `p${this.#count}`
    this.#count += 1
    this.values[name] = value
    return `{${name}: ${type}}`
  }
}
