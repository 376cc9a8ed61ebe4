// Typed arrays that grow.

interface TypedArray<T> {
  readonly length: number
  set(values: T): void
}

/** The same values in an array of `length`, which is at least theirs; the rest is zero. */
export function larger<T extends TypedArray<T>>(values: T, length: number): T {
  const grown = new (values.constructor as new (length: number) => T)(length)
  grown.set(values)
  return grown
}
