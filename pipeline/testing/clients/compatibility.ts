// The table of docs/compatibility.md: what a row is, and the page that the rows make. The rows are in
// compatibility-rows.ts; what each of them says is run by the test file that it names.

export interface CompatibilityRow {
  /** The client as its users call it. */
  readonly client: string
  /** The npm package as it is listed in devDependencies: the table shows the version that package-lock.json holds. */
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

export interface LockedPackage {
  /** The name at npm, where the package is installed under another one. */
  readonly name: string
  readonly version: string
}

/** The whole page. `locked` finds an npm package in the lock file. */
export function compatibilityPage(
  rows: readonly CompatibilityRow[],
  locked: (npmPackage: string) => LockedPackage,
): string {
  const heads = ['client', 'version', 'what was run', 'result', 'test']
  const table = rows.map(row => {
    const { name, version } =
      row.version === undefined ? locked(row.package) : { name: row.package, version: row.version }
    return [`${row.client} (\`${name}\`)`, version, row.what, row.result, `\`${row.test}\``]
  })
  const lines = [heads, heads.map(() => '---'), ...table].map(
    line => `| ${line.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  )
  return `${preface}${lines.join('\n')}\n`
}
