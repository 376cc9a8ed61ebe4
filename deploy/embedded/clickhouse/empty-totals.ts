// Puts the parts of a JSON document into their order. When a query WITH TOTALS finds no rows, the engine as a library writes
// the totals before the beginning of the document (seen in 26.7), and no reader can parse that.

const documents = /^JSON(Strings|Compact|CompactStrings|ColumnsWithMetadata)?$/i

const beginning = Buffer.from('{\n\t"meta":')
/** What follows the rows and the totals, in each of these formats. */
const ending = Buffer.from(',\n\n\t"rows":')

/** The document with its totals behind its rows; whatever begins as it should is left as it is. */
export function withTotalsInPlace(result: Buffer, format: string): Buffer {
  if (!documents.test(format) || result.length === 0 || result[0] === beginning[0]) return result
  const start = result.indexOf(beginning)
  const end = result.lastIndexOf(ending)
  if (start < 0 || end < start) return result
  return Buffer.concat([result.subarray(start, end), result.subarray(0, start), result.subarray(end)])
}
