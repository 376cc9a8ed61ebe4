// Exact numbers for the oracle of the tests: fractions of whole numbers, so that nothing is ever rounded on
// the way and a half is a half. Shares no code with the scaled integers that it checks.

export type Exactly = Exact | number | string | bigint

export class Exact {
  readonly #over: bigint
  /** Above 0. */
  readonly #under: bigint

  private constructor(over: bigint, under: bigint) {
    this.#over = over
    this.#under = under
  }

  /** Of a whole number, or of a decimal text. */
  static of(value: Exactly): Exact {
    if (value instanceof Exact) return value
    const [whole = '', fraction = ''] = String(value).split('.')
    return new Exact(BigInt(`${whole}${fraction}`), 10n ** BigInt(fraction.length))
  }

  static max(a: Exactly, b: Exactly): Exact {
    return Exact.of(a).lt(b) ? Exact.of(b) : Exact.of(a)
  }

  static min(a: Exactly, b: Exactly): Exact {
    return Exact.of(a).gt(b) ? Exact.of(b) : Exact.of(a)
  }

  plus(value: Exactly): Exact {
    const other = Exact.of(value)
    if (this.#under === other.#under) return new Exact(this.#over + other.#over, this.#under)
    return Exact.#reduced(this.#over * other.#under + other.#over * this.#under, this.#under * other.#under)
  }

  minus(value: Exactly): Exact {
    const other = Exact.of(value)
    return this.plus(new Exact(-other.#over, other.#under))
  }

  times(value: Exactly): Exact {
    const other = Exact.of(value)
    return Exact.#reduced(this.#over * other.#over, this.#under * other.#under)
  }

  div(value: Exactly): Exact {
    const other = Exact.of(value)
    if (other.#over === 0n) throw new Error('division by zero')
    const sign = other.#over < 0n ? -1n : 1n
    return Exact.#reduced(this.#over * other.#under * sign, this.#under * other.#over * sign)
  }

  /** The next whole number that is not below. */
  ceil(): Exact {
    const whole = this.#over / this.#under
    return new Exact(whole * this.#under < this.#over ? whole + 1n : whole, 1n)
  }

  comparedTo(value: Exactly): number {
    const other = Exact.of(value)
    const difference = this.#over * other.#under - other.#over * this.#under
    return difference < 0n ? -1 : difference > 0n ? 1 : 0
  }

  eq(value: Exactly): boolean {
    return this.comparedTo(value) === 0
  }

  lt(value: Exactly): boolean {
    return this.comparedTo(value) < 0
  }

  lte(value: Exactly): boolean {
    return this.comparedTo(value) <= 0
  }

  gt(value: Exactly): boolean {
    return this.comparedTo(value) > 0
  }

  gte(value: Exactly): boolean {
    return this.comparedTo(value) >= 0
  }

  /** The shortest decimal text of what is left when it is rounded to so many places. */
  toPlaces(places: number, half: 'away' | 'even' = 'away'): string {
    const negative = this.#over < 0n
    const magnitude = (negative ? -this.#over : this.#over) * 10n ** BigInt(places)
    let digits = magnitude / this.#under
    const rest = 2n * (magnitude % this.#under)
    const isOdd = digits % 2n === 1n
    if (rest > this.#under || (rest === this.#under && (half === 'away' || isOdd))) digits += 1n
    const text = digits.toString().padStart(places + 1, '0')
    const fraction = text.slice(text.length - places).replace(/0+$/, '')
    const whole = text.slice(0, text.length - places)
    return `${negative && digits > 0n ? '-' : ''}${whole}${places === 0 || fraction === '' ? '' : `.${fraction}`}`
  }

  static #reduced(over: bigint, under: bigint): Exact {
    let divisor = over < 0n ? -over : over
    for (let rest = under; rest !== 0n; ) [divisor, rest] = [rest, divisor % rest]
    return new Exact(over / divisor, under / divisor)
  }
}
