// Numbers, dates and times of Arrow as JSON text.
// Invariants: whole numbers and decimals keep every digit; a floating-point number is the shortest text that reads back as
// it; undefined stands for a value that JSON cannot write (NaN, infinities, dates outside of the years 0 to 9999).

import { isWritable } from './usage-batch-columns.js'
import type { ArrowType, TimeUnit } from './usage-batch-fields.js'

export type ScalarType = Extract<ArrowType, { readonly kind: 'int' | 'float' | 'decimal' | 'date' | 'time' }>

/** Reads the value of a row. */
export type ScalarReader = (view: DataView, row: number) => string | undefined

export function scalarBytes(type: ScalarType): number {
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'decimal':
      return type.bytes
    case 'date':
      return type.isDays ? 4 : 8
    case 'time':
      return type.unit < 2 ? 4 : 8
    default:
      return type satisfies never
  }
}

export function scalarReader(type: ScalarType): ScalarReader {
  switch (type.kind) {
    case 'int':
      return intReader(type.bytes, type.isSigned)
    case 'float':
      return floatReader(type.bytes)
    case 'decimal':
      return (view, row) => decimalText(wholeAt(view, row * type.bytes, type.bytes), type.scale)
    case 'date':
      return type.isDays
        ? (view, row) => dateText(view.getInt32(row * 4, true) * msPerDay)
        : (view, row) => dateText(Number(view.getBigInt64(row * 8, true)))
    case 'time':
      return type.unit < 2
        ? (view, row) => timeText(BigInt(view.getInt32(row * 4, true)), type.unit)
        : (view, row) => timeText(view.getBigInt64(row * 8, true), type.unit)
    default:
      return type satisfies never
  }
}

function intReader(bytes: 1 | 2 | 4 | 8, isSigned: boolean): ScalarReader {
  switch (bytes) {
    case 1:
      return isSigned ? (view, row) => `${view.getInt8(row)}` : (view, row) => `${view.getUint8(row)}`
    case 2:
      return isSigned
        ? (view, row) => `${view.getInt16(row * 2, true)}`
        : (view, row) => `${view.getUint16(row * 2, true)}`
    case 4:
      return isSigned
        ? (view, row) => `${view.getInt32(row * 4, true)}`
        : (view, row) => `${view.getUint32(row * 4, true)}`
    case 8:
      return isSigned
        ? (view, row) => `${view.getBigInt64(row * 8, true)}`
        : (view, row) => `${view.getBigUint64(row * 8, true)}`
    default:
      return bytes satisfies never
  }
}

function floatReader(bytes: 2 | 4 | 8): ScalarReader {
  if (bytes === 8) return (view, row) => numberText(view.getFloat64(row * 8, true))
  if (bytes === 4) return (view, row) => singleText(view.getFloat32(row * 4, true))
  return (view, row) => halfText(view.getUint16(row * 2, true))
}

/** JavaScript's own text of a number is the shortest one; negative zero is 0. */
function numberText(value: number): string | undefined {
  return Number.isFinite(value) ? String(value) : undefined
}

/** Six digits are always kept by 24 bits of precision, and nine always suffice. */
function singleText(value: number): string | undefined {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return numberText(short)
  }
  return numberText(Number(value.toPrecision(9)))
}

/** One bit of sign, five of exponent, ten of fraction. Of such a number, three to five digits are enough. */
function halfText(bits: number): string | undefined {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return undefined
  const step = 2 ** (Math.max(exponent, 1) - 25)
  const size = (exponent === 0 ? fraction : fraction + 1024) * step
  // Below a power of two, numbers lie closer together.
  const room = fraction === 0 ? step / 4 : step / 2
  for (let digits = 1; digits <= 5; digits += 1) {
    const short = Number(size.toPrecision(digits))
    if (Math.abs(short - size) < room) return numberText((bits & 0x8000) === 0 ? short : -short)
  }
  return numberText((bits & 0x8000) === 0 ? size : -size)
}

/** A whole number in two's complement, the lowest byte first. */
function wholeAt(view: DataView, at: number, bytes: 4 | 8 | 16 | 32): bigint {
  if (bytes === 4) return BigInt(view.getInt32(at, true))
  let whole = view.getBigInt64(at + bytes - 8, true)
  for (let word = bytes - 16; word >= 0; word -= 8)
    whole = (whole << 64n) | view.getBigUint64(at + word, true)
  return whole
}

/** Without zeros at the end of the fraction, of which a column of prices has many. */
function decimalText(whole: bigint, scale: number): string {
  if (scale <= 0) return `${whole * 10n ** BigInt(-scale)}`
  const digits = `${whole < 0n ? -whole : whole}`.padStart(scale + 1, '0')
  const fraction = digits.slice(-scale).replace(/0+$/, '')
  const text = fraction === '' ? digits.slice(0, -scale) : `${digits.slice(0, -scale)}.${fraction}`
  return whole < 0n ? `-${text}` : text
}

const msPerDay = 86_400_000

function dateText(ms: number): string | undefined {
  if (!isWritable(ms) || ms % msPerDay !== 0) return undefined
  return `"${new Date(ms).toISOString().slice(0, 10)}"`
}

/** The time of a day, with as many digits as it needs. */
function timeText(time: bigint, unit: TimeUnit): string | undefined {
  const ns = time * 1_000n ** BigInt(3 - unit)
  if (ns < 0n || ns >= BigInt(msPerDay) * 1_000_000n) return undefined
  const clock = new Date(Number(ns / 1_000_000n)).toISOString().slice(11, 19)
  const fraction = `${ns % 1_000_000_000n}`.padStart(9, '0').replace(/0+$/, '')
  return fraction === '' ? `"${clock}"` : `"${clock}.${fraction}"`
}
