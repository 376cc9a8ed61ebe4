// The table of docs/compatibility.md: what a row is, and the page that the rows make. The rows are in
// compatibility-rows.ts; what each of them says is run by the test file that it names.

export interface CompatibilityRow {
  /** The client as its users call it. */
  readonly client: string
  /** The npm package, listed in devDependencies: the table shows the version that package-lock.json holds. */
  readonly package: string
  /** Only for a client that is not from npm: the version that was run, or whose requests were recorded. */
  readonly version?: string
  /** The file of this folder that runs the client. */
  readonly test: string
  /** What of the client was run. */
  readonly what: string
  /** What came of it: `works`, or what does not and how Weir says so. */
  readonly result: string
}

const preface = `# Compatibility

Clients that were run, as their users install them, against a running Weir. Each row is run again with every change, by the test of
\`pipeline/testing/clients\` that it names. Made by \`WEIR_WRITE_DOCS=1 npx vitest run pipeline/testing/clients/compatibility.test.ts\`.

`

/** The whole page. `versionOf` gives the locked version of an npm package. */
export function compatibilityPage(
  rows: readonly CompatibilityRow[],
  versionOf: (npmPackage: string) => string,
): string {
  const heads = ['client', 'version', 'what was run', 'result', 'test']
  const table = rows.map(row => [
    `${row.client} (\`${row.package}\`)`,
    row.version ?? versionOf(row.package),
    row.what,
    row.result,
    `\`${row.test}\``,
  ])
  const lines = [heads, heads.map(() => '---'), ...table].map(
    line => `| ${line.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  )
  return `${preface}${lines.join('\n')}\n`
}
