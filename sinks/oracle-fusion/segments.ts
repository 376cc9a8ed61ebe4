// The segments of an account of Oracle that a mapping can replace one by one.

export const overridableSegments: readonly number[] = Array.from({ length: 10 }, (_, n) => n + 1)

export function segmentName(n: number): string {
  return `segment${n}`
}
